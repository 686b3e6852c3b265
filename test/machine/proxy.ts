import { createServer, type Server, Socket } from 'node:net';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * pass: forwards. cut: every connection is reset, new ones too. hang: nothing gets through and
 * nobody is told, as with a pulled cable; what was on the way arrives when it passes again.
 */
export type ProxyState = 'pass' | 'cut' | 'hang';

interface Pair {
  readonly near: Socket;
  /** Undefined until the connection was first allowed to pass. */
  far: Socket | undefined;
}

/** A TCP proxy between one machine and one thing it talks to: the cable that a test can pull. */
export class TcpProxy {
  #server: Server;
  #target: Endpoint;
  #state: ProxyState = 'pass';
  #pairs = new Set<Pair>();

  private constructor(server: Server, target: Endpoint) {
    this.#server = server;
    this.#target = target;
  }

  static async start(target: Endpoint): Promise<TcpProxy> {
    // Half-open and paused, so that in `hang` not even the end of a connection gets through.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    const proxy = new TcpProxy(server, target);
    server.on('connection', (socket) => proxy.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get endpoint(): Endpoint {
    const address = this.#server.address();
    return {
      host: '127.0.0.1',
      port: typeof address === 'object' && address !== null ? address.port : 0,
    };
  }

  get state(): ProxyState {
    return this.#state;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  set(state: ProxyState): void {
    this.#state = state;
    for (const pair of this.#pairs) {
      if (state === 'pass') this.#forward(pair);
      else if (state === 'cut') this.#reset(pair);
      else hold(pair);
    }
  }

  /** Ends all connections with a reset and goes on in the state it has. */
  reset(): void {
    for (const pair of this.#pairs) this.#reset(pair);
  }

  async close(): Promise<void> {
    this.set('cut');
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(near: Socket): void {
    const pair: Pair = { near, far: undefined };
    this.#pairs.add(pair);
    this.#watch(pair, near);
    if (this.#state === 'pass') this.#forward(pair);
    else if (this.#state === 'cut') this.#reset(pair);
  }

  #forward(pair: Pair): void {
    if (pair.near.destroyed || pair.far?.destroyed === true) {
      this.#reset(pair);
    } else if (pair.far === undefined) {
      const far = new Socket({ allowHalfOpen: true });
      pair.far = far;
      this.#watch(pair, far);
      this.#join(pair.near, far);
      this.#join(far, pair.near);
      far.setNoDelay(true).connect(this.#target.port, this.#target.host);
      pair.near.resume();
    } else {
      pair.near.resume();
      pair.far.resume();
    }
  }

  /** Copies one direction, at the pace of the reader. */
  #join(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => {
        if (this.#state === 'pass') from.resume();
      });
    });
    from.on('end', () => to.end());
  }

  /** When one side is gone the other learns of it at once; in `hang` only when it passes again. */
  #watch(pair: Pair, socket: Socket): void {
    socket.on('error', () => undefined);
    socket.once('close', (withError) => {
      if (this.#state === 'hang') return;
      const other = socket === pair.near ? pair.far : pair.near;
      if (withError || other === undefined) this.#reset(pair);
      else other.destroySoon();
      this.#pairs.delete(pair);
    });
  }

  #reset(pair: Pair): void {
    this.#pairs.delete(pair);
    reset(pair.near);
    if (pair.far !== undefined) reset(pair.far);
  }
}

function hold(pair: Pair): void {
  pair.near.pause();
  pair.far?.pause();
}

/** A socket whose end is still on its way cannot be reset (uv_tcp_close_reset): Node would keep it. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
