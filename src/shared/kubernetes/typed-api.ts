import {
  type ApiConstructor,
  type ApiType,
  createConfiguration,
  type RequestContext,
  ResponseContext,
  ServerConfiguration,
  wrapHttpLibrary,
} from '@kubernetes/client-node';
import type { HttpRequest } from './http-message.ts';
import type { Transport } from './transport.ts';

/** Only the path of its URLs is used: the transport knows the server. */
const placeholder = new ServerConfiguration('http://kubernetes', {});

/**
 * A typed API of @kubernetes/client-node over our transport: its own HTTP layer opens a new TLS
 * connection and reads the CA file with every request. Like every typed API it rejects with an
 * ApiException whose `code` is the HTTP status; 0 if no answer came.
 */
export function typedApi<Api extends ApiType>(
  Constructor: ApiConstructor<Api>,
  transport: Pick<Transport, 'request'>,
  deadlineMs = 10_000,
): Api {
  const httpApi = wrapHttpLibrary({
    send: async (context) => {
      const { status, headers, body } = await transport.request(request(context, deadlineMs));
      return new ResponseContext(
        status,
        { ...headers },
        {
          text: () => Promise.resolve(body),
          binary: () => Promise.resolve(Buffer.from(body)),
          stream: () => null,
        },
      );
    },
  });
  return new Constructor(createConfiguration({ baseServer: placeholder, httpApi }));
}

function request(context: RequestContext, deadlineMs: number): HttpRequest {
  const url = new URL(context.getUrl());
  const body = context.getBody();
  const signal = context.getSignal();
  return {
    method: context.getHttpMethod() as HttpRequest['method'],
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: lowerCased(context.getHeaders()),
    deadlineMs,
    // The generated APIs that we use send JSON text or nothing.
    ...(typeof body === 'string' ? { body } : {}),
    ...(signal === undefined ? {} : { signal }),
  };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
