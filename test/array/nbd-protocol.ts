/**
 * The numbers of the network block device protocol that client and server here share: fixed
 * newstyle handshake and simple replies. Source: NetworkBlockDevice, doc/proto.md.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';

export const greetingMagic = 0x4e42444d41474943n; // "NBDMAGIC"
export const optionMagic = 0x49484156454f5054n; // "IHAVEOPT"
export const optionReplyMagic = 0x0003e889045565a9n;
export const requestMagic = 0x25609513;
export const replyMagic = 0x67446698;

export const handshakeFlags = { fixedNewstyle: 1, noZeroes: 2 } as const;
export const transmissionFlags = { hasFlags: 1, sendFlush: 4, sendTrim: 32 } as const;

export const options = { exportName: 1, abort: 2, info: 6, go: 7 } as const;
export const optionReplies = {
  ack: 1,
  info: 3,
  unsupported: 0x80000001,
  invalid: 0x80000003,
  unknown: 0x80000006,
} as const;
export const infoExport = 0;

export const commands = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4 } as const;

/** Error numbers are those of Linux. */
export const errors = { EPERM: 1, ENOENT: 2, EIO: 5, EINVAL: 22 } as const;

export const maxRequestBytes = 32 * 1024 * 1024;

/** Reads exact numbers of bytes off a socket, in the order in which they are asked for. */
export class ByteReader {
  readonly #chunks: Buffer[] = [];
  #available = 0;
  #waiting:
    | { length: number; resolve: (data: Buffer) => void; reject: (e: Error) => void }
    | undefined;
  #ended: Error | undefined;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#available += chunk.length;
      this.#serve();
    });
    const end = (error?: Error) => {
      this.#ended ??= error ?? new Error('the connection was closed');
      this.#waiting?.reject(this.#ended);
      this.#waiting = undefined;
    };
    socket.on('error', end);
    socket.on('close', () => end());
    socket.on('end', () => end());
  }

  /** Rejects once the connection has ended; one reader at a time. */
  read(length: number): Promise<Buffer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting = { length, resolve, reject };
      this.#serve();
    });
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#available < waiting.length) return;
    this.#waiting = undefined;
    const all =
      this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#available -= waiting.length;
    this.#chunks.length = 0;
    if (this.#available > 0) this.#chunks.push(all.subarray(waiting.length));
    waiting.resolve(all.subarray(0, waiting.length));
  }
}
