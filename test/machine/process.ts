import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface ProcessOptions {
  /** For messages and for the log file of whoever starts it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to a minimal environment; nothing else of ours is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** stdout and stderr are appended to this file. */
  readonly logFile: string;
  /** Every process of one run carries this, so that a leak can be found afterwards. */
  readonly runId: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const runIdVariable = 'TEST_BED_RUN_ID';

/**
 * A child process that never outlives the test: the kernel kills it when its parent dies
 * (PR_SET_PDEATHSIG, by util-linux' setpriv), and it leads a process group of its own, which is
 * killed on dispose, so that whatever it started goes with it.
 */
export class ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
  #child: ChildProcess;
  #exit: Exit | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    const log = openSync(options.logFile, 'a');
    const [command, ...args] = withDeathSignal([options.command, ...options.args]);
    try {
      this.#child = spawn(command, args, {
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          PATH: process.env['PATH'] ?? '',
          HOME: process.env['HOME'] ?? '/',
          ...options.env,
          [runIdVariable]: options.runId,
        },
      });
    } finally {
      closeSync(log);
    }
    living.add(this);
    this.exited = new Promise((resolve) => {
      const settle = (exit: Exit): void => {
        this.#exit = exit;
        living.delete(this);
        resolve(exit);
      };
      this.#child.once('exit', (code, signal) => settle({ code, signal }));
      // A command that cannot be started has no exit; its error is in nobody's log otherwise.
      this.#child.once('error', () => settle({ code: 127, signal: null }));
    });
  }

  /** 0 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#exit === undefined;
  }

  /** Sends the signal to the process and all that it started; false if nothing was there. */
  signal(name: NodeJS.Signals): boolean {
    if (this.pid === 0 || !this.alive) return false;
    try {
      process.kill(-this.pid, name);
      return true;
    } catch {
      return false;
    }
  }

  /** SIGKILL, as a power failure does it; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, and SIGKILL after `patienceMs`. */
  async stop(patienceMs = 5_000): Promise<Exit> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The end of what it printed, for messages of failed tests. */
  tail(lines = 20): string {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** What still lives of this process' children. The handler below is for where setpriv is missing. */
const living = new Set<ManagedProcess>();
process.on('exit', () => {
  for (const child of living) child.signal('SIGKILL');
});

let setpriv: boolean | undefined;

function withDeathSignal(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  setpriv ??= isOnPath('setpriv');
  return setpriv ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

function isOnPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface LeakedProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * The processes of a run that still live. Zombies do not count: where PID 1 does not reap, the
 * dead stay in the table.
 */
export function processesOf(runId: string): readonly LeakedProcess[] {
  const marker = `${runIdVariable}=${runId}`;
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      try {
        const environment = readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0');
        if (!environment.includes(marker) || stateOf(entry) === 'Z') return [];
        const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid: Number(entry), command }];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}

/** The one-letter state of /proc/<pid>/stat, which follows the command's closing parenthesis. */
function stateOf(pid: string): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
}
