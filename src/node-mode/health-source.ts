import type { Outcome } from '../shared/outcome.ts';
import type { HealthOffer, VolumePlace } from '../shared/csi/node-health.ts';
import type { HealthMetrics } from '../shared/health-metrics.ts';
import { isBad, type VolumeHealth } from '../shared/health.ts';
import type { StorageReport } from '../shared/record.ts';
import type { Shell } from '../shared/shell.ts';
import type { DriverAnswer, Fact } from './facts.ts';
import { Look, type Seen } from './look.ts';
import type { NodeVolume } from './node-volumes.ts';
import { Rounds } from './rounds.ts';

/** The driver beside us, as far as health goes. Each call ends by its own deadline. */
export interface HealthPort {
  /** Undefined if it did not say. */
  offer(): Promise<HealthOffer | undefined>;
  volume(place: VolumePlace): Promise<{ outcome: Outcome; health?: VolumeHealth }>;
  storage(): Promise<{ outcome: Outcome; storage?: StorageReport }>;
}

export interface HealthSourceOptions {
  readonly shell: Pick<Shell, 'clock' | 'random'> & {
    readonly metrics: Pick<HealthMetrics, 'healthProbe'>;
  };
  readonly driver: HealthPort;
  /** Rejects if the kubelet's directory cannot be read. */
  readonly readVolumes: (signal: AbortSignal) => Promise<readonly NodeVolume[]>;
  /** From the beginning of one round to that of the next, unless it takes longer. */
  readonly everyMs: number;
  /** For one call to the driver. */
  readonly deadlineMs: number;
  readonly post: (fact: Fact) => void;
}

/** Calls at a time. A driver that hangs on so many volumes holds up the words about the others. */
const concurrency = 8;

/** On average they begin so far apart: many volumes take longer, and are no burst of calls. */
const gapMs = 50;

/** What is in doubt is asked about so many times in one interval, everything else once. */
const timesWhenInDoubt = 3;

/** For the kubelet's directory, and beyond the deadline of a call that breaks its word. */
const localDeadlineMs = 2000;

/**
 * Asks the driver's node service for the health of everything, round after round. Rounds never
 * overlap: one that takes longer than the interval delays the next, which begins after a pause.
 */
export class HealthSource {
  readonly #options: HealthSourceOptions;
  readonly #rounds: Rounds;
  readonly #volumes: Look<readonly NodeVolume[]>;
  /** Asked last in the next round, so that they hold up nobody's word but their own. */
  readonly #late = new Set<string>();
  /** Bad or late at their last turn: whether that lasts is what matters now. */
  readonly #inDoubt = new Set<string>();
  #storageInDoubt = false;
  /** By which volumes are asked for. */
  #method = '';
  /** Of the present round: when it began, its volumes, and how often it was asked again since. */
  #begunAt = 0;
  #found: readonly NodeVolume[] = [];
  #step = 0;

  constructor(options: HealthSourceOptions) {
    this.#options = options;
    const { clock } = options.shell;
    this.#rounds = new Rounds(options.shell, () => this.#askOn());
    this.#volumes = new Look({ clock, deadlineMs: localDeadlineMs, work: options.readVolumes });
  }

  start(): void {
    this.#rounds.start();
  }

  /** Nothing is posted after this. Calls under way are left to their deadlines. */
  stop(): void {
    this.#rounds.stop();
  }

  /** Asks for everything, or again for what is in doubt; answers how long to wait then. */
  async #askOn(): Promise<number> {
    const { everyMs, shell } = this.#options;
    if (this.#step === 0) {
      this.#begunAt = shell.clock.now();
      this.#found = await this.#round();
    } else await this.#askAgain(this.#found);
    const nextAt = this.#begunAt + ((this.#step + 1) * everyMs) / timesWhenInDoubt;
    this.#step = (this.#step + 1) % timesWhenInDoubt;
    return Math.max(nextAt - shell.clock.now(), everyMs / 10);
  }

  /** What is in doubt, and one volume that is not: is it the driver that keeps silent? */
  async #askAgain(volumes: readonly NodeVolume[]): Promise<void> {
    const isDoubted = ({ handle }: NodeVolume): boolean => this.#inDoubt.has(handle);
    const doubted = volumes.filter(isDoubted);
    const other = volumes.find((volume) => !isDoubted(volume));
    await Promise.all([
      this.#storageInDoubt ? this.#askStorage() : undefined,
      doubted.length === 0
        ? undefined
        : this.#askVolumes(other === undefined ? doubted : [other, ...doubted]),
    ]);
  }

  /** Everything there is to ask; returns what can be asked about again. */
  async #round(): Promise<readonly NodeVolume[]> {
    const { driver } = this.#options;
    this.#inDoubt.clear();
    this.#storageInDoubt = false;
    const seen = await this.#volumes.take();
    if (seen.kind !== 'Answered') {
      this.#post({ kind: 'VolumesUnread' });
      return [];
    }
    const offer = await this.#ask(() => driver.offer());
    const offered = offer.kind === 'Answered' ? offer.result : undefined;
    const handles = seen.result.map(({ handle }) => handle);
    const volumesOffered = offered === undefined ? undefined : offered.volumes !== 'none';
    this.#post({ kind: 'VolumesFound', handles, offered: volumesOffered });
    this.#method = offered?.volumes === 'health' ? 'NodeGetVolumeHealth' : 'NodeGetVolumeStats';
    if (offered === undefined) return [];
    await Promise.all([
      offered.storage ? this.#askStorage() : this.#post(noStorage),
      volumesOffered === true ? this.#askVolumes(seen.result) : undefined,
    ]);
    return seen.result;
  }

  async #askStorage(): Promise<void> {
    const beganAt = this.#options.shell.clock.now();
    const seen = await this.#ask(() => this.#options.driver.storage());
    const storage = seen.kind === 'Answered' ? seen.result.storage : undefined;
    this.#measure('NodeGetStorageHealth', storage !== undefined, beganAt);
    this.#storageInDoubt = storage?.status === 'unreachable';
    this.#post({ kind: 'StorageAsked', storage });
  }

  async #askVolumes(volumes: readonly NodeVolume[]): Promise<void> {
    const { clock } = this.#options.shell;
    const { signal } = this.#rounds;
    const isLate = ({ handle }: NodeVolume): boolean => this.#late.has(handle);
    const queue = [...volumes.filter((volume) => !isLate(volume)), ...volumes.filter(isLate)];
    this.#late.clear();
    const worker = async (): Promise<void> => {
      for (let volume = queue.shift(); volume !== undefined; volume = queue.shift()) {
        if (signal.aborted) return;
        await this.#askVolume(volume);
        if (queue.length > 0) await clock.sleep(concurrency * gapMs, signal);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  }

  async #askVolume({ handle, publishPaths, stagingPath }: NodeVolume): Promise<void> {
    const [publishPath = ''] = publishPaths;
    const place = { handle, publishPath, stagingPath };
    const beganAt = this.#options.shell.clock.now();
    const answer = answerOf(await this.#ask(() => this.#options.driver.volume(place)));
    this.#measure(this.#method, answer.kind === 'Told', beganAt);
    if (answer.kind === 'Late') this.#late.add(handle);
    const isDoubtful = answer.kind === 'Told' ? isBad(answer.health) : answer.kind === 'Late';
    if (isDoubtful) this.#inDoubt.add(handle);
    else this.#inDoubt.delete(handle);
    this.#post({ kind: 'VolumeAsked', handle, answer });
  }

  #measure(method: string, isTold: boolean, beganAt: number): void {
    const { clock, metrics } = this.#options.shell;
    const result = isTold ? 'success' : 'error';
    metrics.healthProbe({ method, result, seconds: (clock.now() - beganAt) / 1000 });
  }

  #ask<Result>(work: () => Promise<Result>): Promise<Seen<Result>> {
    const { shell, deadlineMs } = this.#options;
    const patienceMs = deadlineMs + localDeadlineMs;
    return new Look({ clock: shell.clock, deadlineMs: patienceMs, work }).take();
  }

  #post(fact: Fact): void {
    if (!this.#rounds.signal.aborted) this.#options.post(fact);
  }
}

const noStorage: Fact = { kind: 'StorageAsked', storage: undefined };

function answerOf(
  seen: Seen<{ readonly outcome: Outcome; readonly health?: VolumeHealth }>,
): DriverAnswer {
  if (seen.kind === 'Late') return { kind: 'Late' };
  if (seen.kind === 'Failed') return { kind: 'Refused', code: 'FAILED' };
  const { outcome, health } = seen.result;
  if (health !== undefined) return { kind: 'Told', health };
  if (outcome.kind === 'Done') return { kind: 'Refused', code: 'NO_WORD' };
  const { code } = outcome;
  return code === 'DEADLINE_EXCEEDED' ? { kind: 'Late' } : { kind: 'Refused', code };
}
