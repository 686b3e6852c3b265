import type { Clock } from './clock.ts';

/** Looks come twice a second; a gap longer than this means that somebody stopped us. */
const toleranceMs = 2000;

/**
 * Notices that this process did not run: stopped by a signal, frozen by its cgroup, starved,
 * blocked by its own code, or asleep with its machine. Our monotonic clock (CLOCK_MONOTONIC)
 * stands still in the last case, which only the wall clock gives away; a step of the wall clock
 * looks the same and is treated the same, since being careful costs only time.
 */
export class StallWatch {
  readonly #clock: Clock;
  #last: { readonly now: number; readonly wall: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called at least twice a second. The length of the gap since the last look, or 0. */
  look(): number {
    const last = this.#last;
    const seen = { now: this.#clock.now(), wall: this.#clock.wallTime() };
    this.#last = seen;
    if (last === undefined) return 0;
    const ranMs = seen.now - last.now;
    const driftMs = Math.abs(seen.wall - last.wall - ranMs);
    const gapMs = Math.max(ranMs, driftMs);
    return gapMs > toleranceMs ? gapMs : 0;
  }
}
