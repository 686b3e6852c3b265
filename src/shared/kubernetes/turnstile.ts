import type { Clock, Instant } from '../clock.ts';
import { RateLimiter } from './rate-limiter.ts';

export interface TurnstileOptions {
  readonly clock: Clock;
  readonly limit: { readonly perSecond: number; readonly burst: number };
}

/** Somebody who wants to send a request. */
export interface Passenger {
  /** The lowest goes first; default 0. */
  readonly rank?: number;
  /** Does not wait any longer than until then. */
  readonly deadlineAt: Instant;
  /** Aborted: does not wait at all. */
  readonly signal?: AbortSignal;
}

interface Waiting {
  readonly rank: number;
  readonly end: (passed: boolean) => void;
}

/**
 * Where requests wait for the rate limit: the lowest rank first, and within a rank in the order of
 * arrival. A hundred pods keep it busy for many seconds, in which what holds all of them up, or
 * must not stand any longer, would otherwise wait behind what nobody waits for.
 */
export class Turnstile {
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  /** In the order in which they go. */
  readonly #waiting: Waiting[] = [];
  #cancelTurn: (() => void) | undefined;

  constructor({ clock, limit }: TurnstileOptions) {
    this.#clock = clock;
    this.#limiter = new RateLimiter(limit);
  }

  /**
   * Resolves when it is the passenger's turn: true. False, and nothing taken, at once if the
   * deadline comes before that, or at the deadline if others have gone first.
   */
  pass({ rank = 0, deadlineAt, signal }: Passenger): Promise<boolean> {
    if (signal?.aborted === true) return Promise.resolve(true);
    const now = this.#clock.now();
    const place = this.#waiting.findLastIndex((other) => other.rank <= rank) + 1;
    if (now + this.#limiter.waitMs(now, place) > deadlineAt) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting: Waiting = {
        rank,
        end: (passed) => {
          cancelDeadline();
          signal?.removeEventListener('abort', giveUp);
          resolve(passed);
        },
      };
      const leave = (passed: boolean): void => {
        const index = this.#waiting.indexOf(waiting);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        waiting.end(passed);
      };
      // The connection gives it up as soon as it is let through.
      const giveUp = (): void => leave(true);
      const cancelDeadline = this.#clock.after(deadlineAt - now, () => leave(false));
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.splice(place, 0, waiting);
      this.#turn();
    });
  }

  /** Lets through whom the limit allows, and comes back for the next one. */
  #turn(): void {
    this.#cancelTurn?.();
    this.#cancelTurn = undefined;
    const now = this.#clock.now();
    while (this.#waiting.length > 0) {
      const waitMs = this.#limiter.waitMs(now, 0);
      if (waitMs > 0) {
        this.#cancelTurn = this.#clock.after(waitMs, () => this.#turn());
        return;
      }
      this.#limiter.take();
      this.#waiting.shift()?.end(true);
    }
  }
}
