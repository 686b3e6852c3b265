/**
 * As much of a D-Bus with systemd's logind on it as a kubelet asks of one that wants to end its pods
 * before its machine shuts down (pkg/kubelet/nodeshutdown/systemd): there is no systemd here. The
 * wire is that of the D-Bus specification, "Message Protocol".
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

const [methodCall, methodReturn, signal] = [1, 2, 4] as const;
/** Numbers of header fields. */
const field = {
  path: 1,
  interface: 2,
  member: 3,
  replySerial: 5,
  sender: 7,
  signature: 8,
} as const;
const login = {
  path: '/org/freedesktop/login1',
  interface: 'org.freedesktop.login1.Manager',
} as const;

interface Header {
  readonly code: number;
  readonly type: 's' | 'o' | 'g' | 'u';
  readonly value: string | number;
}

interface Body {
  readonly signature: string;
  readonly bytes: Buffer;
}

export class SystemBus implements AsyncDisposable {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #inhibitors = new Set<Socket>();
  readonly #listeners = new Set<Socket>();
  #serial = 0;

  /** Listens there in place of whoever did. */
  static async listen(path: string): Promise<SystemBus> {
    rmSync(path, { force: true });
    const bus = new SystemBus();
    await new Promise<void>((resolve) => bus.#server.listen(path, resolve));
    return bus;
  }

  private constructor() {
    this.#server = createServer((client) => {
      this.#clients.add(client);
      client.once('close', () => this.#clients.delete(client));
      client.on('error', () => client.destroy());
      this.#serve(client);
    });
  }

  /** Somebody holds a shutdown up, and has asked to be told of it. */
  get isInhibited(): boolean {
    return this.#inhibitors.intersection(this.#listeners).size > 0;
  }

  /** The machine is about to shut down; who holds it up has to do what there is to do. */
  prepareForShutdown(): void {
    const header: Header[] = [
      { code: field.path, type: 'o', value: login.path },
      { code: field.interface, type: 's', value: login.interface },
      { code: field.member, type: 's', value: 'PrepareForShutdown' },
    ];
    const yes = { signature: 'b', bytes: numbers(1) };
    for (const client of this.#inhibitors) client.write(this.#message(signal, header, yes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A byte of nothing, lines until BEGIN, then messages. */
  #serve(client: Socket): void {
    let rest = Buffer.alloc(0);
    let hasBegun = false;
    client.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (!hasBegun) {
        const end = rest.indexOf('\r\n');
        if (end < 0) return;
        const line = rest.subarray(0, end).toString('latin1').replace('\0', '');
        rest = rest.subarray(end + 2);
        hasBegun = line === 'BEGIN';
        if (!hasBegun) client.write(`${answerTo(line)}\r\n`);
      }
      for (let size = sizeOf(rest); size <= rest.length; size = sizeOf(rest)) {
        this.#answer(client, rest.subarray(0, size));
        rest = rest.subarray(size);
      }
    });
  }

  #answer(client: Socket, message: Buffer): void {
    if (message[1] !== methodCall) return;
    const member = memberOf(message);
    if (member === 'Inhibit') this.#inhibitors.add(client);
    if (member === 'AddMatch') this.#listeners.add(client);
    const header: Header[] = [
      { code: field.replySerial, type: 'u', value: message.readUInt32LE(8) },
    ];
    client.write(this.#message(methodReturn, header, bodyFor(member)));
  }

  #message(type: number, header: readonly Header[], { signature, bytes }: Body): Buffer {
    this.#serial += 1;
    const from: Header = { code: field.sender, type: 's', value: ':1.0' };
    const what: Header[] =
      signature === '' ? [] : [{ code: field.signature, type: 'g', value: signature }];
    const fields = [...header, from, ...what].reduce(
      (all, one) => Buffer.concat([padded(all, 8), encoded(one)]),
      Buffer.alloc(0),
    );
    const start = Buffer.from(['l'.charCodeAt(0), type, 0, 1]);
    const sizes = numbers(bytes.length, this.#serial, fields.length);
    return Buffer.concat([padded(Buffer.concat([start, sizes, fields]), 8), bytes]);
  }
}

function answerTo(line: string): string {
  if (line === 'AUTH') return 'REJECTED EXTERNAL';
  if (line.startsWith('AUTH EXTERNAL')) return `OK ${'0'.repeat(32)}`;
  // Descriptors of files it would not get.
  return 'ERROR';
}

/** What each method of a bus and of logind gives back that is called here; others give nothing. */
function bodyFor(member: string): Body {
  switch (member) {
    case 'Hello':
      return { signature: 's', bytes: text(':1.1') };
    case 'Get': {
      // InhibitDelayMaxUSec: a variant of 64 bits, and longer than any kubelet asks for.
      const delay = Buffer.alloc(8);
      delay.writeBigUInt64LE(600_000_000n);
      return { signature: 'v', bytes: Buffer.concat([padded(Buffer.from('\u0001t\0'), 8), delay]) };
    }
    case 'Inhibit':
      // In place of an open file, which the kubelet closes when it is done, the number of none.
      return { signature: 'u', bytes: numbers(2 ** 30) };
    default:
      return { signature: '', bytes: Buffer.alloc(0) };
  }
}

/** Of the first message, as far as it is there: more than that if not even its sizes are. */
function sizeOf(bytes: Buffer): number {
  if (bytes.length < 16) return 16;
  const fields = bytes.readUInt32LE(12);
  return 16 + fields + (-fields & 7) + bytes.readUInt32LE(4);
}

function memberOf(message: Buffer): string {
  const end = 16 + message.readUInt32LE(12);
  for (let at = 16; at < end; at += -at & 7) {
    const code = message[at];
    const type = String.fromCharCode(message[at + 2] ?? 0);
    // Behind the code, and a signature of one letter with its length and its end.
    at += 4;
    if (type === 'u') at += 4;
    else if (type === 'g') at += 2 + (message[at] ?? 0);
    else {
      const size = message.readUInt32LE(at);
      if (code === field.member) return message.toString('utf8', at + 4, at + 4 + size);
      at += 4 + size + 1;
    }
  }
  return '';
}

function encoded({ code, type, value }: Header): Buffer {
  const start = Buffer.from([code, 1, type.charCodeAt(0), 0]);
  if (typeof value === 'number') return Buffer.concat([start, numbers(value)]);
  if (type === 'g')
    return Buffer.concat([start, Buffer.from([value.length]), Buffer.from(`${value}\0`)]);
  return Buffer.concat([start, text(value)]);
}

function text(value: string): Buffer {
  return Buffer.concat([numbers(Buffer.byteLength(value)), Buffer.from(`${value}\0`)]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}

function padded(bytes: Buffer, to: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);
}
