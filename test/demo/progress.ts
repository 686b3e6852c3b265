export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const frames = ['|', '/', '-', '\\'] as const;

/**
 * What happens now: on a terminal one line that is written over and over, with the time since the
 * story's moment 0; elsewhere, a line for each new sentence and nothing in between.
 */
export class Progress {
  readonly #screen: Screen;
  readonly #now: () => number;
  #zeroAt: number;
  #sentence = '';
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Screen, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
    this.#zeroAt = now();
  }

  /** From here on times count from this moment. */
  zero(): void {
    this.#zeroAt = this.#now();
  }

  say(sentence: string): void {
    if (sentence === this.#sentence) return;
    this.#sentence = sentence;
    if (this.#screen.isTTY !== true) {
      this.#screen.write(`${this.#time()}  ${sentence}\n`);
      return;
    }
    this.draw();
    this.#timer ??= setInterval(() => this.draw(), 120).unref();
  }

  /** Draws the line again; on a terminal only. */
  draw(): void {
    this.#frame += 1;
    const line = `${frames[this.#frame % frames.length]} ${this.#time()}  ${this.#sentence}`;
    // A longer line would wrap, and then it cannot be written over. Some terminals say 0.
    const width = Math.max(20, (this.#screen.columns || 80) - 1);
    this.#screen.write(`\r\u001b[2K${line.slice(0, width)}`);
  }

  /** Leaves the terminal with an empty line to write on. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#screen.isTTY === true) this.#screen.write('\r\u001b[2K');
  }

  #time(): string {
    return `${((this.#now() - this.#zeroAt) / 1000).toFixed(1).padStart(5)} s`;
  }
}
