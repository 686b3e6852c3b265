import type { Clock } from '../src/shared/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that passes only when a test says so. Both clocks start at given, unrelated values. */
export class FakeClock implements Clock {
  #now: number;
  #wall: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(options: { readonly now?: number; readonly wallTime?: number } = {}) {
    this.#now = options.now ?? 0;
    this.#wall = options.wallTime ?? Date.UTC(2026, 0, 1);
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#wall;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const finish = (): void => {
        cancel();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const cancel = this.after(durationMs, finish);
      signal?.addEventListener('abort', finish);
    });
  }

  after(durationMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, durationMs), order: this.#order, callback };
    this.#order += 1;
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers are waiting: 0 after a clean stop. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Lets time pass: fires the timers in order, each at its own moment, and after each lets all
   * promises settle that can. `advance(0)` only does what is due already.
   */
  async advance(durationMs: number): Promise<void> {
    const until = this.#now + durationMs;
    await flushPromises();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#pass(Math.max(0, next.at - this.#now));
      next.callback();
      await flushPromises();
    }
    this.#pass(until - this.#now);
  }

  /** As when the process is stopped or the machine hangs: time passes, nothing runs. */
  freeze(durationMs: number): void {
    this.#pass(durationMs);
  }

  /** As when somebody sets the time of day, or the whole machine slept. */
  stepWallTime(byMs: number): void {
    this.#wall += byMs;
  }

  #pass(durationMs: number): void {
    this.#now += durationMs;
    this.#wall += durationMs;
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > until) continue;
      const earlier =
        next === undefined ||
        timer.at < next.at ||
        (timer.at === next.at && timer.order < next.order);
      if (earlier) next = timer;
    }
    return next;
  }
}

/** Runs everything that promises have queued, and what those queue in turn. */
export function flushPromises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
