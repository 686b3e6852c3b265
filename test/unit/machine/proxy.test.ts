import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TcpProxy } from '../../machine/proxy.ts';

/** Answers every chunk with itself, and remembers what happened to its connections. */
class EchoServer {
  readonly received: string[] = [];
  accepted = 0;
  ended = 0;
  #sockets = new Set<Socket>();
  #server: Server = createServer((socket) => {
    this.accepted += 1;
    this.#sockets.add(socket);
    socket.on('data', (chunk) => {
      this.received.push(chunk.toString());
      socket.write(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.ended += 1;
    });
  });

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

let server: EchoServer;
let proxy: TcpProxy;
let clients: Socket[];

beforeEach(async () => {
  server = new EchoServer();
  clients = [];
  proxy = await TcpProxy.start({ host: '127.0.0.1', port: await server.listen() });
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await proxy.close();
  server.close();
});

function open(): Socket {
  const client = connect(proxy.endpoint.port, '127.0.0.1');
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

/** What comes next on the socket: its data, its end, or nothing within `patienceMs`. */
async function next(client: Socket, patienceMs = 300): Promise<string> {
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve('(nothing)'), patienceMs);
    const settle = (what: string): void => {
      clearTimeout(timer);
      resolve(what);
    };
    client.once('data', (chunk: Buffer) => settle(chunk.toString()));
    client.once('error', (error: NodeJS.ErrnoException) => settle(`(${error.code ?? 'error'})`));
    client.once('close', () => settle('(closed)'));
  });
}

async function say(client: Socket, text: string): Promise<string> {
  const answer = next(client);
  client.write(text);
  return await answer;
}

describe('TcpProxy', () => {
  it('forwards both ways', async () => {
    expect(await say(open(), 'hello')).toBe('hello');
  });

  it('passes the end of a connection on', async () => {
    const client = open();
    await say(client, 'hello');
    client.end();
    await once(client, 'close');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([server.ended, proxy.connections]).toEqual([1, 0]);
  });

  it('carries more than a buffer holds', async () => {
    const client = open();
    const size = 5_000_000;
    let got = 0;
    const all = new Promise<void>((resolve) => {
      client.on('data', (chunk) => {
        got += chunk.length;
        if (got >= size) resolve();
      });
    });
    client.write(Buffer.alloc(size, 'x'));
    await all;
    expect(got).toBe(size);
  });

  it('resets what is there and what comes while it is cut', async () => {
    const client = open();
    await say(client, 'hello');
    const reset = next(client);
    proxy.set('cut');
    expect(await reset).toBe('(ECONNRESET)');
    expect(await next(open())).toMatch(/ECONNRESET|closed/);
    proxy.set('pass');
    expect(await say(open(), 'again')).toBe('again');
  });

  it('ends a connection whose own end is still on its way', async () => {
    const accepted: Socket[] = [];
    const deaf = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => undefined);
      accepted.push(socket);
    });
    deaf.listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    using things = new DisposableStack();
    things.defer(() => {
      for (const socket of [...accepted, ...clients]) socket.destroy();
      deaf.close();
    });
    const address = deaf.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await using cable = await TcpProxy.start({ host: '127.0.0.1', port });
    const client = connect(cable.endpoint.port, '127.0.0.1');
    client.on('error', () => undefined);
    clients.push(client);
    client.end(Buffer.alloc(1_000_000));
    await once(deaf, 'connection');
    await new Promise((resolve) => setTimeout(resolve, 100));
    cable.set('cut');
    const [socket] = accepted;
    // Reset or ended: on a busy computer its own end may not have been on its way yet.
    const closed = new Promise((resolve) => socket?.once('close', resolve));
    socket?.resume();
    await closed;
    expect(socket?.destroyed).toBe(true);
  });

  it('keeps both sides waiting while it hangs, and delivers afterwards', async () => {
    const client = open();
    await say(client, 'hello');
    proxy.set('hang');
    expect(await say(client, 'late')).toBe('(nothing)');
    expect(server.received).toEqual(['hello']);
    const answer = next(client);
    proxy.set('pass');
    expect(await answer).toBe('late');
  });

  it('does not let a new connection through while it hangs', async () => {
    proxy.set('hang');
    const client = open();
    expect(await say(client, 'early')).toBe('(nothing)');
    expect(server.accepted).toBe(0);
    const answer = next(client);
    proxy.set('pass');
    expect(await answer).toBe('early');
  });

  it('hides the death of a client while it hangs', async () => {
    const client = open();
    await say(client, 'hello');
    proxy.set('hang');
    client.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.ended).toBe(0);
    proxy.reset();
    proxy.set('pass');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.ended).toBe(1);
  });
});
