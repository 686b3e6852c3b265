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
  readonly #cuts = new Links<number>();
  readonly #slow = new Links<{ readonly until: number; readonly extraMs: number }>();
  /** When the last cut and the last slowness end: asked for all the time, and mostly past. */
  #cutsEnd = 0;
  #slowEnd = 0;

  constructor(timeline: Timeline, prng: Prng, latency: Latency) {
    this.#timeline = timeline;
    this.#prng = prng;
    this.#latency = latency;
  }

  /** One direction only; what is on its way arrives nevertheless. */
  cut(from: Party, to: Party, durationMs: number): void {
    const until = this.#timeline.now + durationMs;
    this.#cuts.set(from, to, Math.max(until, this.#cuts.get(from, to) ?? 0));
    this.#cutsEnd = Math.max(until, this.#cutsEnd);
  }

  slow(from: Party, to: Party, options: { durationMs: number; extraMs: number }): void {
    const { durationMs, extraMs } = options;
    const until = this.#timeline.now + durationMs;
    this.#slow.set(from, to, { until, extraMs });
    this.#slowEnd = Math.max(until, this.#slowEnd);
  }

  heal(): void {
    this.#cuts.clear();
    this.#slow.clear();
    this.#cutsEnd = 0;
    this.#slowEnd = 0;
  }

  /** Nothing is cut or slow: so it mostly is, and is asked in every step. */
  get isQuiet(): boolean {
    const { now } = this.#timeline;
    return this.#cutsEnd <= now && this.#slowEnd <= now;
  }

  /** Until when nothing gets from one to the other; the past: it does. */
  cutUntil(from: Party, to: Party): number {
    if (this.#cutsEnd <= this.#timeline.now) return 0;
    return this.#cuts.get(from, to) ?? 0;
  }

  isCut(from: Party, to: Party): boolean {
    return this.cutUntil(from, to) > this.#timeline.now;
  }

  isSlow(from: Party, to: Party): boolean {
    if (this.#slowEnd <= this.#timeline.now) return false;
    return (this.#slow.get(from, to)?.until ?? 0) > this.#timeline.now;
  }

  delayMs(from: Party, to: Party): number {
    const { lowMs, highMs } = this.#latency;
    const usual = this.#prng.between(lowMs, highMs);
    if (!this.isSlow(from, to)) return usual;
    return usual + this.#prng.between(0, this.#slow.get(from, to)?.extraMs ?? 0);
  }
}

/** By both ends, without making a key of them: links are asked for in every step. */
class Links<T> {
  readonly #byFrom = new Map<Party, Map<Party, T>>();

  get(from: Party, to: Party): T | undefined {
    return this.#byFrom.get(from)?.get(to);
  }

  set(from: Party, to: Party, value: T): void {
    const known = this.#byFrom.get(from);
    if (known === undefined) this.#byFrom.set(from, new Map([[to, value]]));
    else known.set(to, value);
  }

  clear(): void {
    this.#byFrom.clear();
  }
}
