const newline = 0x0a;

/** Far above the largest object that etcd takes (1.5 MiB), far below what would hurt. */
const defaultMaxLineBytes = 8 * 1024 * 1024;

/**
 * Cuts a byte stream into lines, over the bytes, so that a character split between two chunks
 * stays whole. A line that is longer than the bound comes as undefined, once, and its bytes are
 * not kept.
 */
export class LineDecoder {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #tooLong = false;

  constructor(maxLineBytes = defaultMaxLineBytes) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Calls back for every line that this chunk completes; empty lines are left out. */
  push(chunk: Buffer, onLine: (line: string | undefined) => void): void {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#take();
      if (line !== '') onLine(line);
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxLineBytes) {
      this.#tooLong = true;
      this.#parts = [];
    } else if (part.length > 0) {
      this.#parts.push(part);
    }
  }

  #take(): string | undefined {
    const [only] = this.#parts;
    const line =
      this.#parts.length === 1 && only !== undefined
        ? only.toString('utf8')
        : Buffer.concat(this.#parts).toString('utf8');
    const tooLong = this.#tooLong;
    this.#parts = [];
    this.#bytes = 0;
    this.#tooLong = false;
    return tooLong ? undefined : line;
  }
}
