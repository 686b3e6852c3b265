import type { Instant } from '../clock.ts';

/**
 * A token bucket: `burst` requests at once, `perSecond` on the long run. It only computes; the
 * caller waits. Reservations go below zero, so that waiters are served in the order they asked.
 */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: Instant | undefined;

  constructor(options: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = Math.max(options.perSecond, 0.001);
    this.#burst = Math.max(options.burst, 1);
    this.#tokens = this.#burst;
  }

  /**
   * Takes one token and says how many ms to wait before using it. Undefined, and nothing taken,
   * when the wait would be longer than `maxWaitMs`.
   */
  reserve(now: Instant, maxWaitMs: number): number | undefined {
    const elapsedMs = Math.max(0, now - (this.#filledAt ?? now));
    this.#filledAt = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    const waitMs = Math.max(0, ((1 - this.#tokens) * 1000) / this.#perSecond);
    if (waitMs > maxWaitMs) return undefined;
    this.#tokens -= 1;
    return waitMs;
  }
}
