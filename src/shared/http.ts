import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Shell } from './shell.ts';

export interface HttpOptions {
  /** `host:port` or `:port`; port 0 takes a free one. */
  readonly endpoint: string;
  readonly metricsPath: string;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly health: Health;
}

/**
 * What is served as health. There from the start, before a driver has said its name or a watch is
 * synced, because a process that waits is well; each part is put in when it stands.
 */
export interface Health {
  /** Whether we see enough to be of use: our views of the cluster are synced. */
  isReady: () => boolean;
  /**
   * False if we believe to lead though our lease ran out long ago: then something in this process
   * is stuck, and a restart helps. A standby is healthy.
   */
  isLeadershipHealthy: () => boolean;
}

/** Not ready yet, and well. */
export function initialHealth(): Health {
  return { isReady: () => false, isLeadershipHealthy: () => true };
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves what the configuration asks for; undefined where it asks for nothing. */
export function serveConfigured(
  { httpEndpoint: endpoint, metricsPath }: Config,
  { metrics, log }: Shell,
  health: Health,
): Promise<HttpServer> | undefined {
  return endpoint === '' ? undefined : serveHttp({ endpoint, metricsPath, metrics, log, health });
}

/** Nobody may keep us busy: what asks for health or metrics asks quickly. */
const requestTimeoutMs = 5000;

/**
 * Serves `/healthz`, `/healthz/leader-election`, `/readyz` and the metrics. None of them asks the
 * API server or the driver: a probe that did would restart us in the very outage we are for.
 * Rejects if the address cannot be had.
 */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log.error({ err: error }, 'an HTTP request failed');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  server.requestTimeout = requestTimeoutMs;
  server.headersTimeout = requestTimeoutMs;
  await listen(server, options.endpoint);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, endpoint: string): Promise<void> {
  const colon = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(endpoint.slice(colon + 1));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const path = (request.url ?? '').split('?')[0];
  if (path === options.metricsPath) {
    const { contentType, text } = await options.metrics.render();
    response.writeHead(200, { 'content-type': contentType }).end(text);
    return;
  }
  const healthy = health(options, path);
  const status = healthy === undefined ? 404 : healthy ? 200 : 500;
  const words = healthy === undefined ? 'not found' : healthy ? 'ok' : 'not ok';
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${words}\n`);
}

/** Undefined for a path that is none of ours. */
function health(options: HttpOptions, path: string | undefined): boolean | undefined {
  if (path === '/healthz') return true;
  if (path === '/healthz/leader-election') return options.health.isLeadershipHealthy();
  return path === '/readyz' ? options.health.isReady() : undefined;
}
