/** The Kubernetes API over HTTP, served from a store of the model; it can fail on request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../src/shared/effect.ts';
import type { Store } from '../model/store.ts';
import { failure } from '../model/verbs.ts';
import { type ApiReply, type ApiRequest, refuse, serveRequest } from './api-request.ts';
import { Pages } from './pages.ts';
import { type ApiPath, parseApiPath } from './request-path.ts';
import { WatchStream } from './watch-stream.ts';

export interface ApiServerOptions {
  readonly store: Store;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default 30 s, as the real one's. */
  readonly bookmarkIntervalMs?: number;
  /** Bearer token to identity; without it every token is welcome and is its own identity. */
  readonly tokens?: Readonly<Record<string, string>>;
}

/** One request in the journal. */
export interface RequestRecord {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Who asked, by the bearer token; empty without one. */
  readonly identity: string;
  readonly body: Json | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** POST, PUT, PATCH or DELETE. */
  readonly mutating: boolean;
  readonly watch: boolean;
  /** Undefined while it runs, 0 if it was never answered. */
  status: number | undefined;
}

/** What a hook may do to a request; the members work in this order. */
export interface Interference {
  readonly delayMs?: number;
  /** The connection breaks instead; nothing is executed. */
  readonly dropBefore?: boolean;
  /** Answered with this status instead; nothing is executed. */
  readonly fail?: number;
  /** Runs after the request was executed and before it is answered. */
  readonly afterwards?: () => void | Promise<void>;
  /** Executed, but the connection breaks instead of an answer. */
  readonly dropAfter?: boolean;
}

export type RequestHook = (
  request: RequestRecord,
) => Interference | undefined | Promise<Interference | undefined>;

const keptRequests = 100_000;

export class ApiServer {
  /** Every request in order of arrival; the oldest are forgotten beyond 100,000. */
  readonly requests: RequestRecord[] = [];
  /** False: answers watch-list requests as a server without the feature does (422). */
  watchListSupported = true;
  readonly #options: ApiServerOptions;
  readonly #server: Server;
  readonly #pages = new Pages();
  readonly #watches = new Set<WatchStream>();
  readonly #hooks = new Set<RequestHook>();
  #port = 0;
  #hanging = false;
  #tooMany = 0;
  #retryAfterSeconds = 1;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      // A hook that throws, or a mistake of ours, must not look like a server that hangs.
      this.#serve(request, response).catch((error: unknown) => response.destroy(asError(error)));
    };
    const { tls } = options;
    this.#server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
    this.#server.keepAliveTimeout = 120_000;
    this.#server.requestTimeout = 0;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    const scheme = this.#options.tls === undefined ? 'http' : 'https';
    return `${scheme}://${this.#options.host ?? '127.0.0.1'}:${this.#port}`;
  }

  /** How many watches are open. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** The mutating requests so far, in order. */
  get mutations(): readonly RequestRecord[] {
    return this.requests.filter(({ mutating }) => mutating);
  }

  async listen(): Promise<void> {
    const { host = '127.0.0.1', port = 0 } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port === 0 ? port : this.#port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.drop();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  /** The process is gone: connections break, new ones are refused; false brings it back. */
  async refuse(on: boolean): Promise<void> {
    if (on && this.#server.listening) await this.close();
    if (!on && !this.#server.listening) await this.listen();
  }

  /**
   * The machine hangs: new requests are accepted and never answered, open watches fall silent. What
   * hung once stays so until the client gives up; false serves new requests again.
   */
  hang(on: boolean): void {
    this.#hanging = on;
    if (on) for (const watch of this.#watches) watch.silence();
  }

  /** The next `count` requests are answered 429 with Retry-After. */
  respond429(count: number, retryAfterSeconds = 1): void {
    this.#tooMany = count;
    this.#retryAfterSeconds = retryAfterSeconds;
  }

  /** Breaks the connections of all open watches. */
  dropWatches(): void {
    for (const watch of this.#watches) watch.drop();
  }

  /** Sends a line of the caller's making on all open watches: garbage, or an ERROR event. */
  injectIntoWatches(line: string): void {
    for (const watch of this.#watches) watch.inject(line);
  }

  /** Continue tokens handed out so far answer 410. */
  expirePages(): void {
    this.#pages.expire();
  }

  /** Called for every request before it is executed; the returned function ends it. */
  onRequest(hook: RequestHook): () => void {
    this.#hooks.add(hook);
    return () => this.#hooks.delete(hook);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://api');
    const text = await readBody(incoming);
    const method = incoming.method ?? 'GET';
    const token = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1] ?? '';
    const record: RequestRecord = {
      method,
      path: url.pathname,
      query: url.search.slice(1),
      identity: this.#options.tokens?.[token] ?? token,
      body: parseBody(text),
      at: Date.now(),
      mutating: method !== 'GET',
      watch: isWatch(url.searchParams),
      status: undefined,
    };
    this.#remember(record);
    if (this.#hanging) return;
    const known = this.#options.tokens === undefined || token in this.#options.tokens;
    const contentType = incoming.headers['content-type'] ?? '';
    const interference = await this.#interference(record);
    if (interference.delayMs !== undefined) await sleep(interference.delayMs);
    if (interference.dropBefore === true) drop(record, response);
    else if (interference.fail !== undefined) {
      const { fail } = interference;
      answer(record, response, refuse(failure(fail, 'InternalError', 'failed on request')));
    } else if (!known) {
      answer(record, response, refuse(failure(401, 'Unauthorized', 'Unauthorized')));
    } else if (this.#tooMany > 0) {
      this.#tooMany -= 1;
      response.setHeader('retry-after', String(this.#retryAfterSeconds));
      answer(record, response, refuse(failure(429, 'TooManyRequests', 'too many requests')));
    } else await this.#execute({ url, contentType, record, response, interference });
  }

  async #execute(work: Work): Promise<void> {
    const { url, contentType, record, response, interference } = work;
    const path = parseApiPath(url.pathname);
    if (path === undefined) {
      answer(record, response, unstored(url.pathname));
      return;
    }
    if (record.watch && record.method === 'GET' && (path.name === '' || path.subresource === '')) {
      this.#watch(path, work);
      return;
    }
    const request: ApiRequest = {
      method: record.method,
      path,
      query: url.searchParams,
      contentType,
      body: record.body,
    };
    const reply = serveRequest(this.#options.store, this.#pages, request);
    await interference.afterwards?.();
    if (interference.dropAfter === true) drop(record, response);
    else answer(record, response, reply);
  }

  #watch(path: ApiPath, { url, record, response }: Work): void {
    const query = url.searchParams;
    const refusal = this.#watchListRefusal(query);
    if (refusal !== undefined) {
      answer(record, response, refuse(failure(422, 'Invalid', refusal)));
      return;
    }
    // A watch of one object is a watch of the collection with its name as field selector.
    if (path.name !== '') query.set('fieldSelector', `metadata.name=${path.name}`);
    let stream: WatchStream;
    try {
      stream = new WatchStream({
        store: this.#options.store,
        path,
        query,
        response,
        bookmarkIntervalMs: this.#options.bookmarkIntervalMs ?? 30_000,
        onEnd: () => this.#watches.delete(stream),
      });
    } catch (error) {
      answer(record, response, refuse(failure(400, 'BadRequest', String(error))));
      return;
    }
    record.status = 200;
    this.#watches.add(stream);
    stream.start();
  }

  #watchListRefusal(query: URLSearchParams): string | undefined {
    if (!query.has('sendInitialEvents')) return undefined;
    if (!this.watchListSupported) {
      return 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
    }
    if (query.get('resourceVersionMatch') !== 'NotOlderThan') {
      return 'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    }
    return undefined;
  }

  async #interference(record: RequestRecord): Promise<Interference> {
    let result: Interference = {};
    for (const hook of this.#hooks) result = { ...result, ...(await hook(record)) };
    return result;
  }

  #remember(record: RequestRecord): void {
    this.requests.push(record);
    if (this.requests.length > keptRequests) this.requests.splice(0, keptRequests / 2);
  }
}

interface Work {
  readonly url: URL;
  readonly contentType: string;
  readonly record: RequestRecord;
  readonly response: ServerResponse;
  readonly interference: Interference;
}

/** Listens when it resolves; `await using` closes it. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const server = new ApiServer(options);
  await server.listen();
  return server;
}

function unstored(pathname: string): ApiReply {
  if (pathname === '/version') {
    const body = { major: '1', minor: '36', gitVersion: 'v1.36.3', platform: 'linux/amd64' };
    return { status: 200, body };
  }
  if (['/readyz', '/livez', '/healthz'].includes(pathname)) return { status: 200, body: {} };
  return refuse(failure(404, 'NotFound', 'the server could not find the requested resource'));
}

function answer(record: RequestRecord, response: ServerResponse, reply: ApiReply): void {
  record.status = reply.status;
  const probe = record.path.endsWith('z') && reply.status === 200 && record.path.length < 10;
  response.writeHead(reply.status, { 'content-type': probe ? 'text/plain' : 'application/json' });
  response.end(probe ? 'ok' : JSON.stringify(reply.body));
}

function drop(record: RequestRecord, response: ServerResponse): void {
  record.status = 0;
  response.destroy();
}

function isWatch(query: URLSearchParams): boolean {
  return ['true', '1'].includes(query.get('watch') ?? '');
}

function parseBody(text: string): Json | undefined {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
  } catch {
    // The client went away while it sent: there is nobody to answer.
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asError(error: unknown): Error {
  return Error.isError(error) ? error : new Error(String(error));
}

async function sleep(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs));
}
