/** Commands of stages, each in a process group of its own, so that all that a stage started ends with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { processorSecondsSinceLast } from './processor-time.ts';

export interface StageProcess {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** What it prints, in its order. */
  readonly outputFile: string;
  readonly timeoutMs: number;
  /** At the lowest priority: it gets what nobody else wants. */
  readonly isPatient: boolean;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

export interface Ended {
  readonly succeeded: boolean;
  /** With why it ended, where it did not do so by itself. */
  readonly output: string;
  /** What it and all that it started and waited for computed, where the system tells. */
  readonly processorSeconds: number | undefined;
}

/** What it has to clean up is cleaned up in this time after SIGTERM. */
const graceMs = 20_000;

export async function runProcess(stage: StageProcess): Promise<Ended> {
  const [program = '', ...parameters] = [...(stage.isPatient ? patience() : []), ...stage.command];
  const file = openSync(stage.outputFile, 'a');
  const child = spawn(program, parameters, {
    cwd: stage.cwd,
    env: stage.env,
    stdio: ['ignore', file, file],
    detached: true,
  });
  closeSync(file);
  let why: string | undefined;
  const end = (because: string): void => {
    why = because;
    signalGroup(child, 'SIGTERM');
    killer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
  };
  let killer = setTimeout(
    () => end(`it hung for ${stage.timeoutMs / 60_000} min`),
    stage.timeoutMs,
  );
  const interrupt = (): void => {
    clearTimeout(killer);
    end('interrupted');
  };
  if (stage.signal.aborted) interrupt();
  stage.signal.addEventListener('abort', interrupt);
  let processorSeconds: number | undefined;
  const succeeded = await new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      why = error.message;
      resolve(false);
    });
    child.once('exit', (code, signal) => {
      processorSeconds = processorSecondsSinceLast();
      if (signal !== null) why ??= `ended by ${signal}`;
      resolve(code === 0);
    });
  });
  stage.signal.removeEventListener('abort', interrupt);
  clearTimeout(killer);
  // What it has left in its group would disturb those that come next.
  signalGroup(child, 'SIGKILL');
  const output = readFileSync(stage.outputFile, 'utf8');
  if (why === undefined) return { succeeded, output, processorSeconds };
  return { succeeded: false, output: `${output}${program}: ${why}\n`, processorSeconds };
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

/**
 * Linux has a class for what waits until nobody else wants to run, which beats any niceness. But
 * where each session is a group that gets its share, as a stage is, a class counts among those of
 * the same group only (sched(7), "The autogroup feature"); so the group stands back, too.
 */
function patience(): readonly string[] {
  const inGroup = isOnPath('chrt') ? ['chrt', '--idle', '0'] : ['nice', '-n', '19'];
  const group = '[ ! -w /proc/self/autogroup ] || echo 19 > /proc/self/autogroup';
  return ['sh', '-c', `${group}; exec "$@"`, 'sh', ...inGroup];
}

function isOnPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
