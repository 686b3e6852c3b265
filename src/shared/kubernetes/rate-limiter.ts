import type { Instant } from '../clock.ts';

/** Less than any request needs; what divisions lose must not cost another turn. */
const negligible = 1e-6;

/**
 * A token bucket: `burst` requests at once, `perSecond` on the long run. It only computes; the
 * caller waits, and takes when there is something to take.
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

  /** How many ms until somebody may take a token who lets so many others go first. */
  waitMs(now: Instant, ahead: number): number {
    const elapsedMs = Math.max(0, now - (this.#filledAt ?? now));
    this.#filledAt = Math.max(now, this.#filledAt ?? now);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    const missing = ahead + 1 - this.#tokens;
    return missing <= negligible ? 0 : (missing * 1000) / this.#perSecond;
  }

  /** Only after `waitMs` said that there is nothing to wait for. */
  take(): void {
    this.#tokens -= 1;
  }
}
