import type { Shell } from '../shared/shell.ts';

/**
 * Work that is done round after round, never two at a time. The pauses between are a little
 * irregular, so that a cluster does not march in step.
 */
export class Rounds {
  readonly #shell: Pick<Shell, 'clock' | 'random'>;
  readonly #round: () => Promise<number>;
  readonly #stop = new AbortController();

  /** A round answers how long the pause after it should be, in milliseconds; it never rejects. */
  constructor(shell: Pick<Shell, 'clock' | 'random'>, round: () => Promise<number>) {
    this.#shell = shell;
    this.#round = round;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  start(): void {
    void this.#run();
  }

  /** What is under way goes on to its own end; whoever posts asks the signal before. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#shell;
    while (!this.signal.aborted) {
      const pauseMs = await this.#round();
      await clock.sleep(pauseMs * (0.9 + 0.2 * random()), this.signal);
    }
  }
}
