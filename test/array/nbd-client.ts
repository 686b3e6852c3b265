import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import * as nbd from './nbd-protocol.ts';

/** Errors of the array by their Linux name; `CLOSED` and `DEADLINE` are the path's. */
export type NbdErrorCode = keyof typeof nbd.errors | 'CLOSED' | 'DEADLINE' | 'NO_EXPORT';

export class NbdError extends Error {
  readonly code: NbdErrorCode;

  constructor(code: NbdErrorCode, message: string) {
    super(message);
    this.name = 'NbdError';
    this.code = code;
  }
}

export interface NbdClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** `<handle>@<nodeId>`. */
  readonly exportName: string;
  /** For connecting, and for each request. */
  readonly deadlineMs: number;
}

interface SentRequest {
  /** How many bytes its answer carries. */
  readonly answerBytes: number;
  readonly settle: (result: Buffer | NbdError) => void;
}

/**
 * A user-space client of a network block device. A request that missed its deadline is *not*
 * taken back: the array may still carry it out, as with a real disk.
 */
export class NbdClient {
  readonly sizeBytes: number;
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  /** Until the answer comes, also when its deadline has passed: late answers must be skipped. */
  readonly #sent = new Map<bigint, SentRequest>();
  #cookie = 0n;
  #ended = false;

  /** Rejects with an NbdError if there is no such export or no answer in time. */
  static async connect(options: NbdClientOptions): Promise<NbdClient> {
    const colon = options.address.lastIndexOf(':');
    const host = options.address.slice(0, colon);
    const socket = connect({ host, port: Number(options.address.slice(colon + 1)), noDelay: true });
    const reader = new nbd.ByteReader(socket);
    const timer = setTimeout(() => {
      socket.destroy(new NbdError('DEADLINE', 'no answer to the handshake'));
    }, options.deadlineMs);
    try {
      const sizeBytes = await handshake(socket, reader, options.exportName);
      return new NbdClient(socket, reader, { sizeBytes, deadlineMs: options.deadlineMs });
    } catch (error: unknown) {
      socket.destroy();
      if (error instanceof NbdError) throw error;
      throw new NbdError('CLOSED', Error.isError(error) ? error.message : 'closed');
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(
    socket: Socket,
    reader: nbd.ByteReader,
    { sizeBytes, deadlineMs }: { sizeBytes: number; deadlineMs: number },
  ) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    this.sizeBytes = sizeBytes;
    this.#receive(reader).catch(() => this.#end());
  }

  get closed(): boolean {
    return this.#ended;
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#request(nbd.commands.read, offset, length);
  }

  async write(offset: number, data: Buffer): Promise<void> {
    await this.#request(nbd.commands.write, offset, data.length, data);
  }

  /** What stands there is of no use any more; this array keeps it. */
  async trim(offset: number, length: number): Promise<void> {
    await this.#request(nbd.commands.trim, offset, length);
  }

  async flush(): Promise<void> {
    await this.#request(nbd.commands.flush, 0, 0);
  }

  /** Says goodbye if it still can; requests in flight end as CLOSED. */
  close(): void {
    if (this.#ended) return;
    this.#socket.write(requestHeader(nbd.commands.disconnect, this.#cookie, 0, 0));
    this.#socket.end();
    this.#end();
  }

  #request(type: number, offset: number, length: number, data?: Buffer): Promise<Buffer> {
    if (this.#ended) return Promise.reject(new NbdError('CLOSED', 'the connection is closed'));
    this.#cookie += 1n;
    const cookie = this.#cookie;
    return new Promise((resolve, reject) => {
      const settle = (result: Buffer | NbdError) => {
        clearTimeout(timer);
        if (result instanceof NbdError) reject(result);
        else resolve(result);
      };
      const timer = setTimeout(() => {
        settle(new NbdError('DEADLINE', `no answer within ${this.#deadlineMs} ms`));
      }, this.#deadlineMs);
      this.#sent.set(cookie, { answerBytes: type === nbd.commands.read ? length : 0, settle });
      this.#socket.write(requestHeader(type, cookie, offset, length));
      if (data !== undefined) this.#socket.write(data);
    });
  }

  async #receive(reader: nbd.ByteReader): Promise<void> {
    for (;;) {
      const header = await reader.read(16);
      if (header.readUInt32BE() !== nbd.replyMagic) throw new Error('not a reply');
      const code = header.readUInt32BE(4);
      const cookie = header.readBigUInt64BE(8);
      const request = this.#sent.get(cookie);
      if (request === undefined) throw new Error('a reply to nothing');
      this.#sent.delete(cookie);
      const data = await reader.read(code === 0 ? request.answerBytes : 0);
      request.settle(code === 0 ? data : errorOf(code));
    }
  }

  #end(): void {
    this.#ended = true;
    this.#socket.destroySoon();
    for (const request of this.#sent.values()) {
      request.settle(new NbdError('CLOSED', 'the connection is closed'));
    }
    this.#sent.clear();
  }
}

async function handshake(
  socket: Socket,
  reader: nbd.ByteReader,
  exportName: string,
): Promise<number> {
  const greeting = await reader.read(18);
  if (greeting.readBigUInt64BE() !== nbd.greetingMagic) throw new Error('not a block device');
  const name = Buffer.from(exportName, 'utf8');
  const request = Buffer.alloc(4 + 16 + 4 + name.length + 2);
  request.writeUInt32BE(nbd.handshakeFlags.fixedNewstyle | nbd.handshakeFlags.noZeroes, 0);
  request.writeBigUInt64BE(nbd.optionMagic, 4);
  request.writeUInt32BE(nbd.options.go, 12);
  request.writeUInt32BE(4 + name.length + 2, 16);
  request.writeUInt32BE(name.length, 20);
  name.copy(request, 24);
  socket.write(request);
  for (let sizeBytes = -1; ; ) {
    const header = await reader.read(20);
    const type = header.readUInt32BE(12);
    const data = await reader.read(header.readUInt32BE(16));
    if (type === nbd.optionReplies.ack) return sizeBytes;
    if (type !== nbd.optionReplies.info) throw new NbdError('NO_EXPORT', `no ${exportName}`);
    if (data.readUInt16BE() === nbd.infoExport) sizeBytes = Number(data.readBigUInt64BE(2));
  }
}

function requestHeader(type: number, cookie: bigint, offset: number, length: number): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(nbd.requestMagic, 0);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return header;
}

function errorOf(code: number): NbdError {
  const known = Object.entries(nbd.errors).find(([, number]) => number === code);
  const name = (known?.[0] ?? 'EIO') as NbdErrorCode;
  return new NbdError(name, `the array answered ${name}`);
}
