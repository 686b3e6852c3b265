import type { Clock, Instant } from '../shared/clock.ts';
import type { CsiController } from '../shared/csi/controller.ts';
import type { HealthListing, HealthOffer } from '../shared/csi/volume-health.ts';
import type { VolumeHealth } from '../shared/health.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { Shell } from '../shared/shell.ts';
import type { HealthFact } from './facts.ts';
import { OmittedHealth } from './omitted-health.ts';

export interface HealthSourceOptions {
  readonly csi: Pick<CsiController, 'healthOffer' | 'listHealth' | 'volumeHealth'>;
  readonly shell: Pick<Shell, 'clock' | 'random' | 'log' | 'metrics'>;
  readonly post: (fact: HealthFact) => void;
  /** From the beginning of one pass over all volumes to that of the next. */
  readonly intervalMs: number;
  /** Standbys ask nothing: what they do not know only delays them once they lead. */
  readonly isLeading: () => boolean;
  /** Handles of the driver's volumes that are bound to a claim. */
  readonly bound: () => readonly string[];
  /** Those of them that a node finds bad now: asked first, and more often. */
  readonly troubled: () => readonly string[];
}

/** Of questions by name: 5,000 volumes in 250 s, if the driver answers each within 0.4 s. */
export const pace = { everyMs: 50, atOnce: 8 } as const;
/** A volume that a node finds bad is asked for so often. */
const troubledEveryMs = 10_000;
/** After so many failures in a row the rest of the volumes is left alone for one interval. */
const patience = 20;
const idleMs = 1_000;
/**
 * The first two passes of a leader follow each other closely where a volume is well because it is
 * left out: it takes two to say so.
 */
const secondPassAfterMs = 10_000;

/**
 * Asks the driver's controller service for the health of volumes, and posts what it says as facts:
 * by passes over its listing where it has one, one by one where it has not, and one by one also
 * for those that the listing names without a word. Passes never overlap each other, questions are
 * paced; every wait is jittered, so that the instances of many drivers do not ask in step.
 */
export class HealthSource {
  readonly #options: HealthSourceOptions;
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  readonly #askedAt = new Map<string, Instant>();
  readonly #asking = new Set<string>();
  #omitted = new OmittedHealth();
  #passes = 0;
  /** What is still to be asked by name. */
  #queue: string[] = [];
  #nextSweepAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #restUntil = Number.NEGATIVE_INFINITY;

  constructor(options: HealthSourceOptions) {
    this.#options = options;
    this.#clock = options.shell.clock;
  }

  start(): void {
    void this.#listOnAndOn();
    void this.#askOnAndOn();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #listOnAndOn(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const offer = await this.#offer();
      // Of an array that serves nothing here there is nothing to know.
      const isWanted = offer?.list !== 'none' && this.#options.bound().length > 0;
      if (offer === undefined || !isWanted) {
        this.#omitted = new OmittedHealth();
        this.#passes = 0;
        await this.#sleep(idleMs);
      } else {
        const beganAt = this.#clock.now();
        await this.#pass(offer, beganAt);
        await this.#untilNextPass(offer, beganAt);
      }
    }
  }

  async #pass(offer: HealthOffer, beganAt: Instant): Promise<void> {
    const { csi, post, bound } = this.#options;
    const listing = await csi.listHealth();
    const method = offer.list === 'health' ? 'ControllerListVolumeHealth' : 'ListVolumes';
    this.#measure(method, listing.outcome, beganAt);
    if (listing.outcome.kind !== 'Done') {
      post({ kind: 'HealthUnread', beganAt, handle: '', ...reasonOf(listing.outcome) });
      return;
    }
    this.#passes += 1;
    const { volumes, unsure } = this.#read(listing, bound());
    post({ kind: 'HealthListed', beganAt, volumes });
    if (offer.get === 'none') return;
    const waiting = new Set(this.#queue);
    this.#queue.unshift(...unsure.filter((handle) => !waiting.has(handle)));
  }

  /** Only volumes of this cluster: an array may serve many, and its listing names them all. */
  #read(
    { volumes: listed, omitsHealthy }: HealthListing,
    bound: readonly string[],
  ): { volumes: ReadonlyMap<string, VolumeHealth>; unsure: readonly string[] } {
    if (omitsHealthy) return this.#omitted.read(listed, bound);
    const volumes = new Map<string, VolumeHealth>();
    const unsure: string[] = [];
    for (const handle of bound) {
      const health = listed.get(handle);
      if (health !== undefined) volumes.set(handle, health);
      if (health === undefined || health.status === 'Unknown') unsure.push(handle);
    }
    return { volumes, unsure };
  }

  async #untilNextPass({ list, get }: HealthOffer, beganAt: Instant): Promise<void> {
    const { intervalMs, isLeading, troubled } = this.#options;
    const isHalf = list === 'health' && this.#passes === 1;
    const wantedMs = isHalf ? Math.min(secondPassAfterMs, intervalMs) : intervalMs;
    const nextAt = beganAt + this.#jittered(wantedMs);
    const { signal } = this.#stopped;
    while (!signal.aborted && isLeading()) {
      const isUrgent = get === 'none' && troubled().length > 0;
      const at = isUrgent ? Math.min(nextAt, beganAt + troubledEveryMs) : nextAt;
      const waitMs = at - this.#clock.now();
      if (waitMs <= 0) return;
      await this.#sleep(Math.min(waitMs, idleMs));
    }
  }

  async #askOnAndOn(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const offer = await this.#offer();
      const isPossible = offer !== undefined && offer.get !== 'none';
      if (isPossible && this.#asking.size >= pace.atOnce) {
        await this.#sleep(pace.everyMs);
        continue;
      }
      const handle = isPossible ? this.#next(offer) : undefined;
      if (handle !== undefined) void this.#ask(offer, handle);
      await this.#sleep(handle === undefined ? idleMs : pace.everyMs);
    }
  }

  /** Which volume is asked for next, if any is due. */
  #next({ list }: HealthOffer): string | undefined {
    const now = this.#clock.now();
    const urgent = this.#options.troubled().find((handle) => this.#isUrgent(handle, now));
    if (urgent !== undefined || now < this.#restUntil) return urgent;
    if (list === 'none' && this.#queue.length === 0 && now >= this.#nextSweepAt) this.#sweep(now);
    let handle = this.#queue.pop();
    while (handle !== undefined && this.#asking.has(handle)) handle = this.#queue.pop();
    return handle;
  }

  #isUrgent(handle: string, now: Instant): boolean {
    const askedAt = this.#askedAt.get(handle) ?? Number.NEGATIVE_INFINITY;
    return now - askedAt >= troubledEveryMs && !this.#asking.has(handle);
  }

  #sweep(now: Instant): void {
    this.#nextSweepAt = now + this.#jittered(this.#options.intervalMs);
    this.#queue = this.#options.bound().toReversed();
    const known = new Set(this.#queue);
    for (const handle of this.#askedAt.keys()) {
      if (!known.has(handle)) this.#askedAt.delete(handle);
    }
  }

  async #ask(offer: HealthOffer | undefined, handle: string): Promise<void> {
    const { csi, post } = this.#options;
    const beganAt = this.#clock.now();
    this.#askedAt.set(handle, beganAt);
    this.#asking.add(handle);
    const { outcome, health } = await csi.volumeHealth(handle);
    this.#asking.delete(handle);
    const method = offer?.get === 'health' ? 'ControllerGetVolumeHealth' : 'ControllerGetVolume';
    this.#measure(method, outcome, beganAt);
    if (outcome.kind === 'Done' || outcome.code === 'NOT_FOUND') {
      this.#failures = 0;
      post({ kind: 'HealthRead', beganAt, handle, health });
      return;
    }
    post({ kind: 'HealthUnread', beganAt, handle, ...reasonOf(outcome) });
    this.#failures += 1;
    if (this.#failures < patience) return;
    this.#failures = 0;
    this.#restUntil = this.#clock.now() + this.#jittered(this.#options.intervalMs);
    this.#options.shell.log.warn({ outcome }, 'many questions for volumes failed: having a rest');
  }

  async #offer(): Promise<HealthOffer | undefined> {
    const { csi, isLeading } = this.#options;
    return isLeading() ? (await csi.healthOffer()).offer : undefined;
  }

  #measure(method: string, outcome: Outcome, beganAt: Instant): void {
    const seconds = (this.#clock.now() - beganAt) / 1000;
    const result = outcome.kind === 'Done' ? 'success' : 'error';
    this.#options.shell.metrics.healthProbe({ method, result, seconds });
  }

  /** Between nine and eleven tenths. */
  #jittered(durationMs: number): number {
    return durationMs * (0.9 + 0.2 * this.#options.shell.random());
  }

  #sleep(durationMs: number): Promise<void> {
    return this.#clock.sleep(durationMs, this.#stopped.signal);
  }
}

function reasonOf(outcome: Outcome): { readonly code: string; readonly detail: string } {
  return outcome.kind === 'Done' ? { code: '', detail: '' } : outcome;
}
