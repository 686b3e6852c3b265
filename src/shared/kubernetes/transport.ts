import type { Clock, Instant } from '../clock.ts';
import { Connection, type StreamHandlers } from './connection.ts';
import { type HttpReply, type HttpRequest, noAnswer } from './http-message.ts';
import type { ApiServer } from './kube-config.ts';
import { retryDelayMs } from './retry.ts';
import { Turnstile } from './turnstile.ts';

export interface TransportOptions {
  readonly server: ApiServer;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  /** Undefined: no client-side limit, for leases, which must never wait behind other work. */
  readonly limit: { readonly perSecond: number; readonly burst: number } | undefined;
  /** Sent as User-Agent; the API server shows its first word in managedFields and audit. */
  readonly userAgent?: string;
  /** Told of every request that was sent, for metrics. */
  readonly onReply?: (reply: { method: string; status: number; durationMs: number }) => void;
}

/**
 * Requests to the API server with everything that a good citizen does: a client-side rate limit,
 * retries that honour Retry-After, and one deadline over all of it. Never throws for what the
 * network or the server does.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #connection: Connection;
  readonly #turnstile: Turnstile | undefined;

  constructor(options: TransportOptions) {
    const { server, clock, limit, userAgent = 'csi-failover' } = options;
    this.#options = options;
    this.#connection = new Connection({ server, clock, userAgent });
    this.#turnstile = limit === undefined ? undefined : new Turnstile({ clock, limit });
  }

  /**
   * `deadlineMs` covers waiting for the rate limit and all attempts. The last answer is returned
   * as it came; status 0 stands for none.
   */
  async request(request: HttpRequest): Promise<HttpReply> {
    const { clock } = this.#options;
    const deadlineAt = clock.now() + request.deadlineMs;
    for (let attempts = 1; ; attempts += 1) {
      const reply = await this.#attempt(request, deadlineAt);
      if (reply.status === 401) this.#connection.unauthorized();
      const delayMs = this.#delayMs(request, reply, attempts);
      if (delayMs === undefined || clock.now() + delayMs >= deadlineAt) return reply;
      await clock.sleep(delayMs, request.signal);
      if (request.signal?.aborted === true) return reply;
    }
  }

  /** See Connection.stream. Streams are few and long, so they are neither limited nor retried. */
  stream(request: HttpRequest, handlers: StreamHandlers): () => void {
    return this.#connection.stream(request, handlers);
  }

  /** Breaks every stream: their owners open them again. For when one was found to be half-open. */
  breakStreams(): void {
    this.#connection.breakStreams();
  }

  /** Closes every socket; answers still awaited come as status 0. */
  close(): void {
    this.#connection.close();
  }

  async #attempt(request: HttpRequest, deadlineAt: Instant): Promise<HttpReply> {
    const { clock, onReply } = this.#options;
    const passed = (await this.#turnstile?.pass({ ...request, deadlineAt })) ?? true;
    if (!passed) return noAnswer('held back by --kube-api-qps until the deadline');
    request.onSend?.();
    const startedAt = clock.now();
    const reply = await this.#connection.exchange({
      ...request,
      deadlineMs: deadlineAt - startedAt,
    });
    const durationMs = clock.now() - startedAt;
    onReply?.({ method: request.method, status: reply.status, durationMs });
    return reply;
  }

  #delayMs(request: HttpRequest, reply: HttpReply, attempts: number): number | undefined {
    const { method } = request;
    // Reading again costs nothing; whether a write arrived is for its owner to find out.
    if (reply.staleConnection === true && method === 'GET' && attempts === 1) return 0;
    const retryAfter = reply.headers['retry-after'];
    const question = { method, status: reply.status, retryAfter, attempts };
    return retryDelayMs(question, this.#options.random);
  }
}
