import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { runController } from './controller-mode/controller.ts';
import { runNode } from './node-mode/node.ts';
import type { Config } from './shared/config.ts';
import { helpText } from './shared/help-text.ts';
import { createLog, type Logger } from './shared/log.ts';
import { createMetrics } from './shared/metrics.ts';
import { describeProblem, readConfig } from './shared/read-config.ts';
import { systemClock } from './shared/system-clock.ts';

/** Put in by the bundler; the sources as they stand have no version. */
declare const CSI_FAILOVER_VERSION: string | undefined;

const version = typeof CSI_FAILOVER_VERSION === 'string' ? CSI_FAILOVER_VERSION : 'development';

const exitCodes = { stopped: 0, crashed: 1, misconfigured: 2 } as const;

/** After a signal we end within this time, drained or not; Kubernetes kills after 30 s. */
const drainMs = 10_000;

/** argv and environment in, a running mode out. The only reader of `process`. */
export function main(): void {
  const result = readConfig({
    argv: process.argv.slice(2),
    environment: process.env,
    readFile,
  });
  switch (result.kind) {
    case 'Help':
      process.stdout.write(helpText());
      return;
    case 'Version':
      process.stdout.write(`csi-failover ${version}\n`);
      return;
    case 'Invalid':
      for (const problem of result.problems) {
        process.stderr.write(`csi-failover: ${describeProblem(problem)}\n`);
      }
      process.stderr.write('csi-failover: see --help\n');
      process.exitCode = exitCodes.misconfigured;
      return;
    case 'Config':
      void run(result.config);
  }
}

async function run(config: Config): Promise<void> {
  const log = createLog({
    level: config.logLevel,
    fields:
      config.nodeName === '' ? { mode: config.mode } : { mode: config.mode, node: config.nodeName },
    destination: 1,
  });
  endOnCrash(log);
  const signal = stopOnSignal(log);
  log.info({ version, config }, 'starting');
  const shell = {
    // A restarted container of the same pod is another one: it waits for its predecessor's lease.
    instance: `${hostname()}_${randomUUID().slice(0, 8)}`,
    clock: systemClock,
    random: Math.random,
    log,
    metrics: createMetrics({ version, mode: config.mode, startedAt: systemClock.wallTime() }),
    signal,
  };
  // How the helpers of node mode are started: as this process was, with a word of their own.
  const command = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  try {
    await (config.mode === 'controller'
      ? runController(config, shell)
      : runNode(config, shell, command));
  } catch (error) {
    log.error({ err: error }, 'crashed');
    process.exit(exitCodes.crashed);
  }
  log.info({ asked: signal.aborted }, 'stopped');
  // A mode that ends though nobody asked it to did not do what it is for.
  process.exit(signal.aborted ? exitCodes.stopped : exitCodes.crashed);
}

/** Aborted by the first SIGTERM or SIGINT. The second ends the process at once. */
function stopOnSignal(log: Logger): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      log.warn({ signal: name }, 'asked to stop twice: ending at once');
      process.exit(exitCodes.crashed);
    }
    log.info({ signal: name }, 'stopping');
    systemClock.after(drainMs, () => {
      log.warn({ drainMs }, 'not drained in time: ending anyway');
      process.exit(exitCodes.stopped);
    });
    controller.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return controller.signal;
}

/** What nobody caught leaves the state in doubt. Forgetting is safe, going on is not. */
function endOnCrash(log: Logger): void {
  const end = (error: unknown): void => {
    log.error({ err: error }, 'crashed');
    process.exit(exitCodes.crashed);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

function readFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
