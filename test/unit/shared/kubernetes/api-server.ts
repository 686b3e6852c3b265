import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { systemClock } from '../../../../src/shared/system-clock.ts';
import type { ApiServer } from '../../../../src/shared/kubernetes/kube-config.ts';
import { Transport } from '../../../../src/shared/kubernetes/transport.ts';

/** One request as the server saw it. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  readonly response: http.ServerResponse;
  readonly socket: Socket;
}

export type Handler = (call: Call, index: number) => void;

/** A real HTTP server that answers as the test says; closes everything when disposed of. */
export interface ScriptedServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly calls: readonly Call[];
  /** Connections that were opened so far. */
  readonly connections: () => number;
  transport(options?: Partial<ConstructorParameters<typeof Transport>[0]>): Transport;
}

export async function serve(handler: Handler): Promise<ScriptedServer> {
  const calls: Call[] = [];
  const transports: Transport[] = [];
  let connections = 0;
  const listener = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://x');
      const call = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        response,
        socket: request.socket,
      };
      calls.push(call);
      handler(call, calls.length - 1);
    });
  });
  listener.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const server = apiServerAt(`http://127.0.0.1:${port}`);
  return {
    server,
    calls,
    connections: () => connections,
    transport: (options = {}) => {
      const transport = new Transport({
        server,
        clock: systemClock,
        random: () => 0,
        limit: undefined,
        ...options,
      });
      transports.push(transport);
      return transport;
    },
    [Symbol.asyncDispose]: async () => {
      for (const transport of transports) transport.close();
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

export function apiServerAt(url: string, fields: Partial<ApiServer> = {}): ApiServer {
  return {
    url,
    ca: undefined,
    skipTlsVerify: false,
    serverName: undefined,
    token: undefined,
    certificate: undefined,
    ...fields,
  };
}

export function reply(call: Call, status: number, body: unknown, headers: object = {}): void {
  call.response.writeHead(status, { 'content-type': 'application/json', ...headers });
  call.response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
