import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../clock.ts';
import { type Credentials, Identity } from './identity.ts';
import {
  collect,
  describe,
  type HttpReply,
  type HttpRequest,
  noAnswer,
  pathOf,
} from './http-message.ts';
import type { ApiServer } from './kube-config.ts';

/** How a stream came to its end; `Ended` is the server's own, orderly end. */
export type StreamEnd =
  | { readonly kind: 'Ended' }
  | { readonly kind: 'Broken'; readonly detail: string }
  /** Any answer other than 200. */
  | { readonly kind: 'Refused'; readonly reply: HttpReply };

export interface StreamHandlers {
  /** The server answered 200. */
  onOpen(): void;
  onData(chunk: Buffer): void;
  /** Once, and nothing after it; not called after the stream was closed by its owner. */
  onEnd(end: StreamEnd): void;
}

const maxCallSockets = 32;
const idleSocketMs = 55_000;

interface Agents {
  readonly calls: http.Agent;
  readonly streams: http.Agent;
  readonly tls: Credentials['tls'];
}

/**
 * Our sockets to one API server: calls share kept-alive ones, every stream gets its own, so that
 * a stream that hangs can be thrown away together with its socket. Network errors are answers
 * (status 0, `Broken`), never exceptions.
 */
export class Connection {
  readonly #server: ApiServer;
  readonly #clock: Clock;
  readonly #identity: Identity;
  readonly #userAgent: string;
  readonly #base: URL;
  #agents: Agents | undefined;

  constructor(options: { server: ApiServer; clock: Clock; userAgent: string }) {
    this.#server = options.server;
    this.#clock = options.clock;
    this.#userAgent = options.userAgent;
    this.#base = new URL(options.server.url);
    this.#identity = new Identity(options.server, options.clock);
  }

  /** One request, sent once. Never rejects. */
  async exchange(request: HttpRequest): Promise<HttpReply> {
    const abort = new AbortController();
    const cancelDeadline = this.#clock.after(request.deadlineMs, () =>
      abort.abort(`no answer within ${Math.round(request.deadlineMs)} ms`),
    );
    const giveUp = (): void => abort.abort('given up by the caller');
    request.signal?.addEventListener('abort', giveUp);
    if (request.signal?.aborted === true) giveUp();
    try {
      const sent = await this.#open('calls', request, abort.signal);
      const reply = await answer(sent, request.body);
      return abort.signal.aborted ? noAnswer(String(abort.signal.reason)) : reply;
    } catch (error) {
      return noAnswer(abort.signal.aborted ? String(abort.signal.reason) : describe(error));
    } finally {
      cancelDeadline();
      request.signal?.removeEventListener('abort', giveUp);
    }
  }

  /**
   * A GET whose answer goes on; `deadlineMs` bounds only the time to its first byte. Returns what
   * closes it.
   */
  stream(request: HttpRequest, handlers: StreamHandlers): () => void {
    const abort = new AbortController();
    const end = (result: StreamEnd): void => {
      cancelDeadline();
      if (abort.signal.aborted) return;
      abort.abort('ended');
      handlers.onEnd(result);
    };
    const cancelDeadline = this.#clock.after(request.deadlineMs, () =>
      end({ kind: 'Broken', detail: `no answer within ${request.deadlineMs} ms` }),
    );
    const onResponse = (response: http.IncomingMessage): void => {
      if (response.statusCode === 200) {
        cancelDeadline();
        follow(response, handlers, end);
      } else {
        void collect(response).then((reply) => end(this.#refused(reply)));
      }
    };
    void this.#open('streams', request, abort.signal).then(
      (sent) => {
        sent.on('error', (error) => end({ kind: 'Broken', detail: describe(error) }));
        sent.on('response', onResponse);
        sent.end();
      },
      (error: unknown) => end({ kind: 'Broken', detail: describe(error) }),
    );
    return () => {
      cancelDeadline();
      abort.abort('closed');
    };
  }

  /** After a 401 the token file is read again before the next request. */
  unauthorized(): void {
    this.#identity.rejected();
  }

  /** Breaks every stream, as if the network had; calls go on. */
  breakStreams(): void {
    this.#agents?.streams.destroy();
  }

  /** Closes every socket, also those in use. */
  close(): void {
    this.#agents?.calls.destroy();
    this.#agents?.streams.destroy();
  }

  #refused(reply: HttpReply): StreamEnd {
    if (reply.status === 401) this.unauthorized();
    return { kind: 'Refused', reply };
  }

  async #open(
    agent: 'calls' | 'streams',
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<http.ClientRequest> {
    const { token, tls } = await this.#identity.current();
    if (this.#agents?.tls !== tls) this.#agents = this.#createAgents(tls);
    const options: http.RequestOptions = {
      protocol: this.#base.protocol,
      // URL keeps the brackets of IPv6 addresses, sockets do not want them.
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      path: pathOf(this.#base, request),
      method: request.method,
      agent: this.#agents[agent],
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...bodyHeaders(request.body),
        ...request.headers,
      },
      signal,
    };
    const sent = this.#base.protocol === 'https:' ? https.request(options) : http.request(options);
    // There from the start: an aborted request may fail before its owner has seen it.
    sent.on('error', () => {});
    // Dead peers are noticed after 20 s of silence, also while nothing is sent.
    sent.on('socket', (socket) => {
      if (!sent.reusedSocket) socket.setKeepAlive(true, 5000, 5000, 3);
    });
    return sent;
  }

  #createAgents(tls: Credentials['tls']): Agents {
    const { serverName, skipTlsVerify } = this.#server;
    const trust = {
      ...tls,
      rejectUnauthorized: !skipTlsVerify,
      ...(serverName === undefined ? {} : { servername: serverName }),
    };
    const Agent = this.#base.protocol === 'https:' ? https.Agent : http.Agent;
    return {
      tls,
      // The timeout closes only idle sockets, before the server would (Go: 90 s).
      calls: new Agent({
        keepAlive: true,
        maxSockets: maxCallSockets,
        timeout: idleSocketMs,
        ...trust,
      }),
      streams: new Agent({ keepAlive: false, ...trust }),
    };
  }
}

/**
 * The length must be said: without it Node sends the body of a DELETE as bytes that belong to no
 * request, and the server deletes without having seen the preconditions.
 */
function bodyHeaders(body: string | undefined): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` };
}

function answer(sent: http.ClientRequest, body: string | undefined): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    sent.on('response', (response) => void collect(response).then(resolve));
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const stale = sent.reusedSocket && error.code === 'ECONNRESET';
      if (stale) resolve({ ...noAnswer(describe(error)), staleConnection: true });
      else reject(error);
    });
    sent.end(body);
  });
}

function follow(
  response: http.IncomingMessage,
  handlers: StreamHandlers,
  end: (end: StreamEnd) => void,
): void {
  handlers.onOpen();
  response.on('data', (chunk: Buffer) => handlers.onData(chunk));
  response.on('end', () => end({ kind: 'Ended' }));
  response.on('error', (error) => end({ kind: 'Broken', detail: describe(error) }));
  response.on('close', () => end({ kind: 'Broken', detail: 'the stream broke off' }));
}
