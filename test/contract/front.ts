import {
  createServer,
  type IncomingMessage,
  request as requestPlain,
  type Server,
  type ServerResponse,
} from 'node:http';
import { request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ApiAccess } from '../machine/api-access.ts';

interface OpenWatch {
  readonly near: ServerResponse;
  readonly far: IncomingMessage;
}

/**
 * Stands between a client and an API server, whichever it is, and lets the way between them fail.
 * Whoever comes to it comes with the access that it was given.
 */
export class Front implements AsyncDisposable {
  /** False: watch-lists are answered as by a server without the feature (422). */
  watchListSupported = true;
  /** Methods of the requests that were let through, in order. */
  readonly passed: string[] = [];
  /** How many watches it has opened. */
  opened = 0;
  readonly #upstream: ApiAccess;
  readonly #server: Server;
  readonly #watches = new Set<OpenWatch>();
  #port = 0;
  #hanging = false;
  #tooMany = 0;
  #losesAnswers = false;
  #expired = false;

  private constructor(upstream: ApiAccess) {
    this.#upstream = upstream;
    this.#server = createServer((incoming, response) => {
      response.on('error', () => undefined);
      void this.#serve(incoming, response).catch(() => response.destroy());
    });
  }

  static async start(upstream: ApiAccess): Promise<Front> {
    const front = new Front(upstream);
    await front.#listen();
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** The server is gone: connections break, new ones are refused. False: it is back. */
  async refuse(on: boolean): Promise<void> {
    if (on && this.#server.listening) await this.#close();
    if (!on && !this.#server.listening) await this.#listen();
  }

  /** Requests are taken and never answered, open watches fall silent. */
  hang(on: boolean): void {
    this.#hanging = on;
    if (on) for (const { far } of this.#watches) far.pause();
  }

  respond429(count: number): void {
    this.#tooMany = count;
  }

  /** Requests are executed, and the connection breaks instead of an answer. */
  loseAnswers(on: boolean): void {
    this.#losesAnswers = on;
  }

  /** The next page that is asked for by a token is too old. */
  expirePage(): void {
    this.#expired = true;
  }

  dropWatches(): void {
    for (const { near } of this.#watches) near.destroy();
  }

  /** Writes a line of the caller's making into all open watches. */
  inject(line: string): void {
    for (const { near } of this.#watches) near.write(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.#close();
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #close(): Promise<void> {
    this.dropWatches();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const query = new URL(incoming.url ?? '/', this.url).searchParams;
    if (this.#hanging) return;
    if (this.#tooMany > 0) {
      this.#tooMany -= 1;
      refuse(response, 429, 'TooManyRequests');
    } else if (!this.watchListSupported && query.has('sendInitialEvents')) {
      refuse(response, 422, 'Invalid');
    } else if (this.#expired && query.has('continue')) {
      this.#expired = false;
      refuse(response, 410, 'Expired');
    } else {
      this.passed.push(incoming.method ?? '');
      this.#forward(incoming, Buffer.concat(chunks), response, query.get('watch') === 'true');
    }
  }

  #forward(
    incoming: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    isWatch: boolean,
  ): void {
    const { server, ca, token, client } = this.#upstream;
    const { authorization: _, host: __, ...headers } = incoming.headers;
    const outgoing = (server.startsWith('https:') ? requestTls : requestPlain)(
      new URL(incoming.url ?? '/', server),
      {
        agent: false,
        method: incoming.method,
        ...(ca === undefined ? {} : { ca }),
        ...client,
        headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
      },
      (answer) => {
        if (this.#losesAnswers) response.destroy();
        else this.#pass(answer, response, isWatch);
      },
    );
    outgoing.on('error', () => response.destroy());
    response.once('close', () => outgoing.destroy());
    outgoing.end(body);
  }

  #pass(answer: IncomingMessage, response: ServerResponse, isWatch: boolean): void {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    response.flushHeaders();
    answer.on('error', () => response.destroy());
    answer.pipe(response);
    if (!isWatch || answer.statusCode !== 200) return;
    this.opened += 1;
    const watch = { near: response, far: answer };
    this.#watches.add(watch);
    response.once('close', () => this.#watches.delete(watch));
  }
}

function refuse(response: ServerResponse, code: number, reason: string): void {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason };
  const headers = { 'content-type': 'application/json', 'retry-after': '0' };
  response.writeHead(code, headers).end(JSON.stringify(status));
}
