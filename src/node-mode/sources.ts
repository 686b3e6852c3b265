import type { Shell } from '../shared/shell.ts';
import { readBootId } from './boot-id.ts';
import type { DriverProbed, DriverWord, Fact, KubeletHealth } from './facts.ts';
import { probeKubelet } from './kubelet-health.ts';
import { Look, type Seen } from './look.ts';
import { Poller } from './poller.ts';

/** The driver beside us, as far as its life and its name for this node go. */
export interface DriverPort {
  /** How often it was reached so far; another number may mean another version of it. */
  readonly connections: number;
  probe(deadlineMs: number): Promise<DriverWord>;
  /** Undefined if it did not say. */
  nodeId(deadlineMs: number): Promise<string | undefined>;
}

export interface SourcesOptions {
  readonly shell: Pick<Shell, 'clock' | 'random' | 'log'>;
  readonly driver: DriverPort;
  readonly kubeletHealthzAddress: string;
  readonly bootIdFile: string;
  /** Driver and kubelet are asked at every second heartbeat. */
  readonly heartbeatIntervalMs: number;
  /** For one call to the driver. */
  readonly driverDeadlineMs: number;
  readonly post: (fact: Fact) => void;
}

/** For what does no input or output beyond this machine's memory, if all is well. */
const localDeadlineMs = 2000;

/** Everything that is looked at all the time, whatever is decided. */
export class Sources {
  readonly #pollers: readonly { start(): void; stop(): void }[];

  constructor(options: SourcesOptions) {
    this.#pollers = [bootIdPoller(options), driverPoller(options), kubeletPoller(options)];
  }

  start(): void {
    for (const poller of this.#pollers) poller.start();
  }

  stop(): void {
    for (const poller of this.#pollers) poller.stop();
  }
}

function driverPoller(options: SourcesOptions): Poller<DriverProbed> {
  const { clock, random } = options.shell;
  const { driver, driverDeadlineMs, post } = options;
  let idReadIn = 0;
  const work = async (): Promise<DriverProbed> => {
    const word = await driver.probe(driverDeadlineMs);
    const { connections } = driver;
    if (word !== 'ok' || idReadIn === connections) return driverProbed(word);
    const nodeId = await driver.nodeId(driverDeadlineMs);
    if (nodeId !== undefined) idReadIn = connections;
    return driverProbed(word, nodeId);
  };
  return new Poller({
    clock,
    random,
    everyMs: 2 * options.heartbeatIntervalMs,
    // Both calls keep their own deadlines; this one only catches a call that breaks its word.
    look: new Look({ clock, deadlineMs: 2 * driverDeadlineMs + localDeadlineMs, work }),
    tell: (seen) => post(seen.kind === 'Answered' ? seen.result : driverProbed('silent')),
  });
}

function driverProbed(word: DriverWord, nodeId?: string): DriverProbed {
  return { kind: 'DriverProbed', word, nodeId };
}

function kubeletPoller(options: SourcesOptions): Poller<KubeletHealth> {
  const { clock, random } = options.shell;
  const work = (signal: AbortSignal): Promise<KubeletHealth> =>
    probeKubelet(options.kubeletHealthzAddress, signal);
  return new Poller({
    clock,
    random,
    everyMs: 2 * options.heartbeatIntervalMs,
    look: new Look({ clock, deadlineMs: localDeadlineMs, work }),
    tell: (seen) => options.post({ kind: 'KubeletProbed', health: kubeletHealth(seen) }),
  });
}

function kubeletHealth(seen: Seen<KubeletHealth>): KubeletHealth {
  if (seen.kind === 'Answered') return seen.result;
  return seen.kind === 'Late' ? 'dead' : 'unknown';
}

function bootIdPoller(options: SourcesOptions): Poller<string> {
  const { clock, random, log } = options.shell;
  let readable = true;
  const tell = (seen: Seen<string>): void => {
    if (seen.kind === 'Answered') options.post({ kind: 'BootIdRead', bootId: seen.result });
    else if (readable) log.error({ file: options.bootIdFile, ...seen }, 'cannot read the boot id');
    readable = seen.kind === 'Answered';
  };
  return new Poller({
    clock,
    random,
    everyMs: 5 * options.heartbeatIntervalMs,
    look: new Look({
      clock,
      deadlineMs: localDeadlineMs,
      work: (signal) => readBootId(options.bootIdFile, signal),
    }),
    tell,
  });
}
