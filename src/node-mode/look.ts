import type { Clock } from '../shared/clock.ts';

/** What one look at the world came to. */
export type Seen<Result> =
  | { readonly kind: 'Answered'; readonly result: Result }
  | { readonly kind: 'Failed'; readonly error: unknown }
  /** Nothing within the deadline, or an earlier look still hangs. */
  | { readonly kind: 'Late' };

export interface LookOptions<Result> {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** The signal aborts at the deadline; whether that ends the work is the work's business. */
  readonly work: (signal: AbortSignal) => Promise<Result>;
}

/**
 * Looks at something that may hang: a driver, a file system, a port. Whoever looks gets an answer
 * by the deadline. A look that hangs is never joined by a second one, since what hangs once hangs
 * again and each holds a thread or a socket.
 */
export class Look<Result> {
  readonly #options: LookOptions<Result>;
  #busy = false;

  constructor(options: LookOptions<Result>) {
    this.#options = options;
  }

  /** Never rejects. */
  take(): Promise<Seen<Result>> {
    if (this.#busy) return Promise.resolve({ kind: 'Late' });
    const { clock, deadlineMs } = this.#options;
    const abort = new AbortController();
    return new Promise((resolve) => {
      const cancel = clock.after(deadlineMs, () => {
        resolve({ kind: 'Late' });
        abort.abort();
      });
      void this.#work(abort.signal).then((seen) => {
        cancel();
        resolve(seen);
      });
    });
  }

  async #work(signal: AbortSignal): Promise<Seen<Result>> {
    this.#busy = true;
    try {
      return { kind: 'Answered', result: await this.#options.work(signal) };
    } catch (error: unknown) {
      return { kind: 'Failed', error };
    } finally {
      this.#busy = false;
    }
  }
}
