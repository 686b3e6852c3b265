import type { Clock } from '../shared/clock.ts';
import type { Look, Seen } from './look.ts';

export interface PollerOptions<Result> {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly everyMs: number;
  readonly look: Look<Result>;
  /** Called once a round, the first at once. */
  readonly tell: (seen: Seen<Result>) => void;
}

/** Looks again and again, a little irregularly, so that a cluster does not march in step. */
export class Poller<Result> {
  readonly #options: PollerOptions<Result>;
  readonly #stop = new AbortController();

  constructor(options: PollerOptions<Result>) {
    this.#options = options;
  }

  start(): void {
    void this.#run();
  }

  /** No round is told after this. What hangs is left alone. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { clock, random, everyMs, look, tell } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = await look.take();
      if (!signal.aborted) tell(seen);
      await clock.sleep(everyMs * (0.9 + 0.2 * random()), signal);
    }
  }
}
