import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Agent as HttpsAgent, request as requestTls } from 'node:https';
import { createInterface } from 'node:readline';
import type { JsonObject } from '../../src/shared/effect.ts';
import { kindOf, type Objects, type ResourceName } from '../model/objects.ts';
import type { ApiAccess } from './api-access.ts';

export interface ApiAnswer<T> {
  /** HTTP status; 0: no answer came. */
  readonly status: number;
  readonly object: T | undefined;
  /** What the API server or the connection said, for messages. */
  readonly message: string;
}

export interface Place {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ListQuery {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface DeleteBody {
  /** Undefined: whatever has this name. */
  readonly uid?: string | undefined;
  readonly gracePeriodSeconds: number;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A list, with the version of the cluster that it shows. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly metadata: { readonly resourceVersion: string };
}

/**
 * The stand-ins' own way to the API. It shares no code with the product's client, so that a mistake
 * there does not hide behind the same mistake here. Never rejects.
 */
export class ApiClient {
  readonly #server: URL;
  readonly #access: ApiAccess;
  readonly #deadlineMs: number;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(access: ApiAccess, deadlineMs = 5_000) {
    this.#access = access;
    this.#server = new URL(access.server);
    this.#deadlineMs = deadlineMs;
    const Agent = this.#server.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
  }

  get<R extends ResourceName>(resource: R, place: Place): Promise<ApiAnswer<Objects[R]>> {
    return this.call('GET', pathOf(resource, place.namespace, place.name));
  }

  async list<R extends ResourceName>(
    resource: R,
    query: ListQuery = {},
  ): Promise<readonly Objects[R][] | undefined> {
    const selectors = new URLSearchParams();
    if (query.fieldSelector !== undefined) selectors.set('fieldSelector', query.fieldSelector);
    if (query.labelSelector !== undefined) selectors.set('labelSelector', query.labelSelector);
    const text = selectors.toString();
    const path = pathOf(resource, query.namespace) + (text === '' ? '' : `?${text}`);
    const { object } = await this.call<Partial<Listed<Objects[R]>>>('GET', path);
    return object?.items;
  }

  create<R extends ResourceName>(resource: R, body: JsonObject): Promise<ApiAnswer<Objects[R]>> {
    const metadata = body['metadata'] as { readonly namespace?: string } | undefined;
    return this.call('POST', pathOf(resource, metadata?.namespace), body);
  }

  update<R extends ResourceName>(resource: R, body: Objects[R]): Promise<ApiAnswer<Objects[R]>> {
    const { namespace, name } = body.metadata;
    return this.call('PUT', pathOf(resource, namespace, name), body);
  }

  /** A JSON merge patch. */
  patch<R extends ResourceName>(
    resource: R,
    place: Place & { readonly subresource?: 'status' },
    body: JsonObject,
  ): Promise<ApiAnswer<Objects[R]>> {
    const tail = place.subresource === undefined ? '' : `/${place.subresource}`;
    const path = pathOf(resource, place.namespace, place.name) + tail;
    return this.call('PATCH', path, body, 'application/merge-patch+json');
  }

  delete(
    resource: ResourceName,
    place: Place,
    { uid, gracePeriodSeconds }: DeleteBody,
  ): Promise<ApiAnswer<JsonObject>> {
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      gracePeriodSeconds,
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    };
    return this.call('DELETE', pathOf(resource, place.namespace, place.name), body);
  }

  /** Any request with JSON in and out. */
  async call<T>(
    method: Method,
    path: string,
    body?: JsonObject,
    contentType = 'application/json',
  ): Promise<ApiAnswer<T>> {
    try {
      const { status, text } = await this.#send(method, path, body, contentType);
      const object = JSON.parse(text) as T & { readonly message?: string };
      if (status >= 200 && status < 300) return { status, object, message: '' };
      return { status, object: undefined, message: object.message ?? text.slice(0, 200) };
    } catch (error: unknown) {
      const message = Error.isError(error) ? error.message : String(error);
      return { status: 0, object: undefined, message };
    }
  }

  /** A GET whose answer has no end, line by line on a socket of its own; resolves when it is over. */
  async follow(path: string, signal: AbortSignal, take: (line: string) => void): Promise<void> {
    await new Promise<void>((resolve) => {
      const outgoing = this.#request('GET', path, { signal, agent: false }, (response) => {
        const lines = createInterface({ input: response });
        lines.on('line', take);
        lines.once('close', resolve);
        // A broken connection ends the lines; that it broke is no error here.
        lines.on('error', () => undefined);
        response.on('error', () => lines.close());
      });
      outgoing.once('error', () => resolve());
      outgoing.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(
    method: Method,
    path: string,
    body: JsonObject | undefined,
    contentType: string,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string | number> =
      text === undefined
        ? {}
        : // Without a length Node sends the body of a DELETE as bytes of no request.
          { 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const options = {
        headers,
        agent: this.#agent,
        signal: AbortSignal.timeout(this.#deadlineMs),
      };
      const outgoing = this.#request(method, path, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      outgoing.once('error', reject);
      outgoing.end(text);
    });
  }

  #request(
    method: Method,
    path: string,
    options: {
      readonly headers?: Record<string, string | number>;
      readonly agent: HttpAgent | HttpsAgent | false;
      readonly signal: AbortSignal;
    },
    answered: (response: IncomingMessage) => void,
  ): ClientRequest {
    const { ca, token, client } = this.#access;
    const send = this.#server.protocol === 'https:' ? requestTls : request;
    return send(
      {
        ...options,
        ...(ca === undefined ? {} : { ca }),
        ...client,
        hostname: this.#server.hostname,
        port: this.#server.port,
        method,
        path,
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...options.headers,
        },
      },
      answered,
    );
  }
}

export function pathOf(resource: ResourceName, namespace = '', name = ''): string {
  const { group, namespaced } = kindOf(resource);
  const root = group === '' ? '/api/v1' : `/apis/${group}/v1`;
  const scope = namespaced && namespace !== '' ? `/namespaces/${namespace}` : '';
  return `${root}${scope}/${resource}${name === '' ? '' : `/${name}`}`;
}
