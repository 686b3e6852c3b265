import type * as http from 'node:http';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path of the API, every segment already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The whole of it, from now to the last byte of the answer. */
  readonly deadlineMs: number;
  /** Aborting gives the answer up; whether the server did its work stays unknown. */
  readonly signal?: AbortSignal;
  /** Of those that wait for the rate limit the lowest goes first; default 0. */
  readonly rank?: number;
  /** Called right before each attempt leaves; not at all if the rate limit lets none leave. */
  readonly onSend?: () => void;
}

export interface HttpReply {
  /** 0: no answer came, for the reason in `detail`. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly detail: string;
  /** The server had closed the kept-alive connection that we sent on. */
  readonly staleConnection?: boolean;
}

/** A list of 250 large objects stays well below; more is nothing that we could hold. */
const maxBodyBytes = 256 * 1024 * 1024;

export function noAnswer(detail: string): HttpReply {
  return { status: 0, headers: {}, body: '', detail };
}

/** Path and query below the server's own path prefix. */
export function pathOf(base: URL, request: HttpRequest): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(name, value);
  }
  const search = query.size === 0 ? '' : `?${query.toString()}`;
  return `${base.pathname.replace(/\/$/, '')}${request.path}${search}`;
}

/** The whole answer as text; status 0 if it broke off or is larger than anything sensible. */
export function collect(response: http.IncomingMessage): Promise<HttpReply> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) response.destroy(new Error('the answer is too large'));
      else chunks.push(chunk);
    });
    response.on('error', (error) => resolve(noAnswer(describe(error))));
    response.on('close', () => resolve(noAnswer('the answer broke off')));
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: singleHeaders(response.headers),
        body: Buffer.concat(chunks).toString('utf8'),
        detail: '',
      }),
    );
  });
}

function singleHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** The code first: it is what people search for. */
export function describe(error: unknown): string {
  if (!Error.isError(error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? error.message : `${code}: ${error.message}`;
}
