import { Buffer } from 'node:buffer';

const chunkBytes = 64 * 1024;

/** A disk in memory that costs only what was written; the rest reads as zeros. */
export class SparseDisk {
  readonly sizeBytes: number;
  readonly #chunks = new Map<number, Buffer>();

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  contains(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.sizeBytes;
  }

  /** Undefined beyond the end. */
  read(offset: number, length: number): Buffer | undefined {
    if (!this.contains(offset, length)) return undefined;
    const data = Buffer.alloc(length);
    eachChunk(offset, length, (index, within, at, count) => {
      this.#chunks.get(index)?.copy(data, at, within, within + count);
    });
    return data;
  }

  write(offset: number, data: Buffer): void {
    eachChunk(offset, data.length, (index, within, at, count) => {
      const chunk = this.#chunks.get(index) ?? Buffer.alloc(chunkBytes);
      this.#chunks.set(index, chunk);
      data.copy(chunk, within, at, at + count);
    });
  }
}

function eachChunk(
  offset: number,
  length: number,
  visit: (index: number, within: number, at: number, count: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const within = (offset + at) % chunkBytes;
    const count = Math.min(chunkBytes - within, length - at);
    visit(Math.floor((offset + at) / chunkBytes), within, at, count);
    at += count;
  }
}
