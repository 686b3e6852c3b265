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
  /** Within which everything is asked about, unless that takes longer. */
  readonly everyMs: number;
  /** For one call to the driver. */
  readonly deadlineMs: number;
  readonly post: (fact: Fact) => void;
}

/** Calls at a time. A driver that hangs on so many volumes holds up the words about the others. */
const concurrency = 8;

/** On average they begin so far apart: many volumes take longer, and are no burst of calls. */
const gapMs = 50;

/**
 * Steps of one interval, in each of which the driver is asked about its share of the volumes, and
 * again about what is in doubt: so a way to the storage that is lost shows in the first step after
 * that, at the cost of one round, and not only when the round of a whole interval begins.
 */
const steps = 3;

/** For the kubelet's directory, and beyond the deadline of a call that breaks its word. */
const localDeadlineMs = 2000;

/**
 * Asks the driver's node service for the health of everything, step by step. Steps never overlap:
 * one that takes longer than its time delays the next, which begins after a pause.
 */
export class HealthSource {
  readonly #options: HealthSourceOptions;
  readonly #rounds: Rounds;
  readonly #volumes: Look<readonly NodeVolume[]>;
  /** Asked last in the next step, so that they hold up nobody's word but their own. */
  readonly #late = new Set<string>();
  /** Bad or late at their last turn: whether that lasts is what matters now. */
  readonly #inDoubt = new Set<string>();
  #storageInDoubt = false;
  /** By which volumes are asked for. */
  #method = '';
  /** Of the present interval: when it began, and what is asked about in it. */
  #begunAt = 0;
  #found: Found = nothingFound;
  #step = 0;
  /** Handles in the order of their turns: those that were asked about longest ago come first. */
  #turns: readonly string[] = [];

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

  /** One step; answers how long to wait then. */
  async #askOn(): Promise<number> {
    const { everyMs, shell } = this.#options;
    const isFirst = this.#step === 0;
    if (isFirst) {
      this.#begunAt = shell.clock.now();
      this.#found = await this.#find();
      this.#keep(this.#found.volumes);
    }
    await this.#ask(this.#share(), isFirst || this.#storageInDoubt);
    const nextAt = this.#begunAt + ((this.#step + 1) * everyMs) / steps;
    this.#step = (this.#step + 1) % steps;
    return Math.max(nextAt - shell.clock.now(), everyMs / 10);
  }

  /**
   * Asks about these; and at once about all others, too, when trouble shows that was not there
   * before: others may have the same, and how long they have it is counted for each.
   */
  async #ask(share: readonly NodeVolume[], andStorage: boolean): Promise<void> {
    const before = new Set(this.#inDoubt);
    const wasInDoubt = this.#storageInDoubt;
    await Promise.all([andStorage ? this.#askStorage() : undefined, this.#askVolumes(share)]);
    const isNew = this.#inDoubt.difference(before).size > 0;
    if (!isNew && (wasInDoubt || !this.#storageInDoubt)) return;
    const others = this.#found.volumes.filter((volume) => !share.includes(volume));
    await Promise.all([andStorage ? undefined : this.#askStorage(), this.#askVolumes(others)]);
  }

  /** Everything there is to ask about in this interval. */
  async #find(): Promise<Found> {
    const seen = await this.#volumes.take();
    if (seen.kind !== 'Answered') {
      this.#post({ kind: 'VolumesUnread' });
      return nothingFound;
    }
    const offer = await this.#look(() => this.#options.driver.offer());
    const offered = offer.kind === 'Answered' ? offer.result : undefined;
    const handles = seen.result.map(({ handle }) => handle);
    const volumesOffered = offered === undefined ? undefined : offered.volumes !== 'none';
    this.#post({ kind: 'VolumesFound', handles, offered: volumesOffered });
    this.#method = offered?.volumes === 'health' ? 'NodeGetVolumeHealth' : 'NodeGetVolumeStats';
    if (offered?.storage === false) this.#post(noStorage);
    return {
      volumes: volumesOffered === true ? seen.result : [],
      storage: offered?.storage === true,
    };
  }

  /** Forgets what is not there any more. */
  #keep(volumes: readonly NodeVolume[]): void {
    const present = new Set(volumes.map(({ handle }) => handle));
    for (const known of [this.#late, this.#inDoubt]) {
      for (const handle of known) if (!present.has(handle)) known.delete(handle);
    }
    this.#turns = this.#turns.filter((handle) => present.has(handle));
    if (!this.#found.storage) this.#storageInDoubt = false;
  }

  /**
   * What it is the turn of: what is new, what is in doubt, and of the rest a share, at least one,
   * which also tells whether it is the driver that keeps silent.
   */
  #share(): readonly NodeVolume[] {
    const { volumes } = this.#found;
    const turns = new Set(this.#turns);
    const calm = this.#turns.filter((handle) => !this.#inDoubt.has(handle));
    const until = (step: number): number => Math.floor((step * calm.length) / steps);
    const count = Math.max(1, until(this.#step + 1) - until(this.#step));
    const due = new Set(calm.slice(0, count));
    return volumes.filter(
      ({ handle }) => !turns.has(handle) || this.#inDoubt.has(handle) || due.has(handle),
    );
  }

  async #askStorage(): Promise<void> {
    if (!this.#found.storage) return;
    const beganAt = this.#options.shell.clock.now();
    const seen = await this.#look(() => this.#options.driver.storage());
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
    const asked = new Set(volumes.map(({ handle }) => handle));
    this.#turns = [...this.#turns.filter((handle) => !asked.has(handle)), ...asked];
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
    const answer = answerOf(await this.#look(() => this.#options.driver.volume(place)));
    this.#measure(this.#method, answer.kind === 'Told', beganAt);
    if (answer.kind === 'Late') this.#late.add(handle);
    else this.#late.delete(handle);
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

  #look<Result>(work: () => Promise<Result>): Promise<Seen<Result>> {
    const { shell, deadlineMs } = this.#options;
    const patienceMs = deadlineMs + localDeadlineMs;
    return new Look({ clock: shell.clock, deadlineMs: patienceMs, work }).take();
  }

  #post(fact: Fact): void {
    if (!this.#rounds.signal.aborted) this.#options.post(fact);
  }
}

interface Found {
  /** Empty unless the driver offers to tell of them. */
  readonly volumes: readonly NodeVolume[];
  readonly storage: boolean;
}

const nothingFound: Found = { volumes: [], storage: false };

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
