/**
 * Passes over a listing, never two at once. Whoever asks gets a pass that began after the asking:
 * many who ask while one runs share the next.
 */
export class SharedPass<Result> {
  readonly #begin: () => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;

  /** `begin` never rejects. */
  constructor(begin: () => Promise<Result>) {
    this.#begin = begin;
  }

  fresh(): Promise<Result> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<Result> {
    this.#next = undefined;
    const pass = this.#begin();
    this.#running = pass;
    void pass.then(() => {
      if (this.#running === pass) this.#running = undefined;
    });
    return pass;
  }
}
