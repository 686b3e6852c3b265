/** Who can reach whom, in which direction, and how long that takes. */
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';

/** `api`, `replica <driver>/<name>`, `machine <name>`. */
export type Party = string;

export interface Latency {
  readonly lowMs: number;
  readonly highMs: number;
}

export class Network {
  readonly #timeline: Timeline;
  readonly #prng: Prng;
  readonly #latency: Latency;
  readonly #cuts = new Map<string, number>();
  readonly #slow = new Map<string, { readonly until: number; readonly extraMs: number }>();

  constructor(timeline: Timeline, prng: Prng, latency: Latency) {
    this.#timeline = timeline;
    this.#prng = prng;
    this.#latency = latency;
  }

  /** One direction only; what is on its way arrives nevertheless. */
  cut(from: Party, to: Party, durationMs: number): void {
    const until = this.#timeline.now + durationMs;
    const key = `${from}>${to}`;
    this.#cuts.set(key, Math.max(until, this.#cuts.get(key) ?? 0));
  }

  slow(from: Party, to: Party, options: { durationMs: number; extraMs: number }): void {
    const { durationMs, extraMs } = options;
    this.#slow.set(`${from}>${to}`, { until: this.#timeline.now + durationMs, extraMs });
  }

  heal(): void {
    this.#cuts.clear();
    this.#slow.clear();
  }

  /** Until when nothing gets from one to the other; the past: it does. */
  cutUntil(from: Party, to: Party): number {
    return this.#cuts.size === 0 ? 0 : (this.#cuts.get(`${from}>${to}`) ?? 0);
  }

  isCut(from: Party, to: Party): boolean {
    return this.#cuts.size > 0 && this.cutUntil(from, to) > this.#timeline.now;
  }

  isSlow(from: Party, to: Party): boolean {
    if (this.#slow.size === 0) return false;
    return (this.#slow.get(`${from}>${to}`)?.until ?? 0) > this.#timeline.now;
  }

  delayMs(from: Party, to: Party): number {
    const { lowMs, highMs } = this.#latency;
    const usual = this.#prng.between(lowMs, highMs);
    if (!this.isSlow(from, to)) return usual;
    return usual + this.#prng.between(0, this.#slow.get(`${from}>${to}`)?.extraMs ?? 0);
  }
}
