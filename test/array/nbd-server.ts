import { Buffer } from 'node:buffer';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import * as nbd from './nbd-protocol.ts';
import type { IoError, StorageArray } from './storage-array.ts';

interface Request {
  readonly type: number;
  readonly cookie: Buffer;
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer;
}

/** Serves every volume of the array under the export names `<handle>@<nodeId>`. */
export class NbdServer {
  readonly #server: Server;
  readonly #connections = new Set<NbdConnection>();

  constructor(array: StorageArray) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      const connection = new NbdConnection(array, socket);
      this.#connections.add(connection);
      socket.on('close', () => this.#connections.delete(connection));
    });
    array.onPath((nodeId) => {
      for (const connection of this.#connections) {
        if (connection.nodeId === nodeId) connection.pathChanged();
      }
    });
  }

  /** Resolves to the `host:port` it listens on; port 0 takes a free one. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return `${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** One client. Requests of a hung node wait here and are decided when the node's path is back. */
class NbdConnection {
  readonly #array: StorageArray;
  readonly #socket: Socket;
  readonly #reader: nbd.ByteReader;
  #pending: Request[] = [];
  #onPathBack: (() => void) | undefined;
  #handle = '';
  nodeId = '';

  constructor(array: StorageArray, socket: Socket) {
    this.#array = array;
    this.#socket = socket;
    this.#reader = new nbd.ByteReader(socket);
    // A client that goes away, at whatever moment, is not an error of the array.
    this.#serve().catch(() => socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pathChanged(): void {
    const path = this.#array.pathOf(this.nodeId, this.#handle);
    if (path === 'cut') this.destroy();
    if (path !== 'ok') return;
    this.#onPathBack?.();
    const pending = this.#pending;
    this.#pending = [];
    for (const request of pending) this.#answer(request);
  }

  async #serve(): Promise<void> {
    const negotiated = await this.#negotiate();
    if (!negotiated) return;
    for (;;) {
      const request = await this.#readRequest();
      if (request.type === nbd.commands.disconnect) break;
      // A connection's order is kept: nothing overtakes a request that waits.
      if (this.#array.pathOf(this.nodeId, this.#handle) === 'hung') this.#pending.push(request);
      else this.#answer(request);
    }
    this.#socket.end();
  }

  async #negotiate(): Promise<boolean> {
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(nbd.greetingMagic, 0);
    greeting.writeBigUInt64BE(nbd.optionMagic, 8);
    greeting.writeUInt16BE(nbd.handshakeFlags.fixedNewstyle | nbd.handshakeFlags.noZeroes, 16);
    this.#socket.write(greeting);
    const flags = (await this.#reader.read(4)).readUInt32BE();
    for (;;) {
      const header = await this.#reader.read(16);
      if (header.readBigUInt64BE() !== nbd.optionMagic) throw new Error('not an option');
      const option = header.readUInt32BE(8);
      const length = header.readUInt32BE(12);
      if (length > 8192) throw new Error('an option too long');
      const data = await this.#reader.read(length);
      const result = await this.#option(option, data, flags);
      if (result !== undefined) return result;
    }
  }

  /** True: on to the transmission; false: the connection is over; undefined: the next option. */
  async #option(option: number, data: Buffer, flags: number): Promise<boolean | undefined> {
    switch (option) {
      case nbd.options.exportName: {
        const size = await this.#open(data.toString('utf8'));
        // This option has no error reply: the protocol says to close.
        if (size === undefined) return this.#refuse();
        const zeroes = (flags & nbd.handshakeFlags.noZeroes) === 0 ? 124 : 0;
        this.#socket.write(Buffer.concat([exportInfo(size), Buffer.alloc(zeroes)]));
        return true;
      }
      case nbd.options.info:
      case nbd.options.go: {
        if (data.length < 6 || data.readUInt32BE() > data.length - 6) {
          this.#optionReply(option, nbd.optionReplies.invalid);
          return undefined;
        }
        const size = await this.#open(data.toString('utf8', 4, 4 + data.readUInt32BE()));
        if (size === undefined) {
          this.#optionReply(option, nbd.optionReplies.unknown);
          return undefined;
        }
        const type = Buffer.alloc(2);
        type.writeUInt16BE(nbd.infoExport);
        this.#optionReply(option, nbd.optionReplies.info, Buffer.concat([type, exportInfo(size)]));
        this.#optionReply(option, nbd.optionReplies.ack);
        return option === nbd.options.go ? true : undefined;
      }
      case nbd.options.abort:
        this.#optionReply(option, nbd.optionReplies.ack);
        return this.#refuse();
      default:
        this.#optionReply(option, nbd.optionReplies.unsupported);
        return undefined;
    }
  }

  /** The volume's size; undefined if there is none. Does not come back while the node hangs. */
  async #open(name: string): Promise<number | undefined> {
    const at = name.lastIndexOf('@');
    this.#handle = name.slice(0, Math.max(at, 0));
    this.nodeId = name.slice(at + 1);
    const path = this.#array.pathOf(this.nodeId, this.#handle);
    if (path === 'cut') throw new Error('no path');
    if (path === 'hung') {
      await new Promise<void>((resolve) => {
        this.#onPathBack = resolve;
      });
    }
    return this.#array.sizeOf(this.#handle);
  }

  #refuse(): false {
    this.#socket.end();
    return false;
  }

  #optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): void {
    const header = Buffer.alloc(20);
    header.writeBigUInt64BE(nbd.optionReplyMagic, 0);
    header.writeUInt32BE(option, 8);
    header.writeUInt32BE(type, 12);
    header.writeUInt32BE(data.length, 16);
    this.#socket.write(Buffer.concat([header, data]));
  }

  async #readRequest(): Promise<Request> {
    const header = await this.#reader.read(28);
    if (header.readUInt32BE() !== nbd.requestMagic) throw new Error('not a request');
    const type = header.readUInt16BE(6);
    const length = header.readUInt32BE(24);
    // A trim carries no data, and may name the whole disk.
    const carries = type !== nbd.commands.trim;
    if (carries && length > nbd.maxRequestBytes) throw new Error('a request too long');
    const data = await this.#reader.read(type === nbd.commands.write ? length : 0);
    const offset = Number(header.readBigUInt64BE(16));
    return { type, cookie: header.subarray(8, 16), offset, length, data };
  }

  #answer(request: Request): void {
    const result = this.#perform(request);
    const header = Buffer.alloc(16);
    header.writeUInt32BE(nbd.replyMagic, 0);
    header.writeUInt32BE(typeof result === 'string' ? nbd.errors[result] : 0, 4);
    request.cookie.copy(header, 8);
    const data = typeof result === 'object' ? result : Buffer.alloc(0);
    this.#socket.write(Buffer.concat([header, data]));
  }

  #perform(request: Request): Buffer | IoError | undefined {
    const { type, offset, length, data } = request;
    switch (type) {
      case nbd.commands.read:
        return this.#array.read(this.#handle, this.nodeId, offset, length);
      case nbd.commands.write:
        return this.#array.write(this.#handle, this.nodeId, offset, data);
      case nbd.commands.flush:
      case nbd.commands.trim:
        return undefined;
      default:
        return 'EINVAL';
    }
  }
}

function exportInfo(sizeBytes: number): Buffer {
  const info = Buffer.alloc(10);
  const { hasFlags, sendFlush, sendTrim } = nbd.transmissionFlags;
  info.writeBigUInt64BE(BigInt(sizeBytes), 0);
  info.writeUInt16BE(hasFlags | sendFlush | sendTrim, 8);
  return info;
}
