import { Agent, request } from 'node:http';
import type { JsonObject } from '../../src/shared/effect.ts';
import { kindOf, type Objects, type ResourceName } from '../model/objects.ts';

export interface ApiAnswer<T> {
  /** HTTP status; 0: no answer came. */
  readonly status: number;
  readonly object: T | undefined;
  /** What the API server or the connection said, for messages. */
  readonly message: string;
}

export interface Place {
  readonly namespace?: string;
  readonly name: string;
}

export interface ListQuery {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface DeleteBody {
  readonly uid: string;
  readonly gracePeriodSeconds: number;
}

/**
 * The stand-ins' own way to the API, over plain HTTP. It shares no code with the product's client,
 * so that a mistake there does not hide behind the same mistake here. Never rejects.
 */
export class ApiClient {
  readonly #server: URL;
  readonly #token: string;
  readonly #deadlineMs: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });

  constructor(server: string, token: string, deadlineMs = 5_000) {
    this.#server = new URL(server);
    this.#token = token;
    this.#deadlineMs = deadlineMs;
  }

  get<R extends ResourceName>(resource: R, place: Place): Promise<ApiAnswer<Objects[R]>> {
    return this.#call('GET', pathOf(resource, place.namespace, place.name));
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
    const { object } = await this.#call<{ items?: readonly Objects[R][] }>('GET', path);
    return object?.items;
  }

  create<R extends ResourceName>(resource: R, body: JsonObject): Promise<ApiAnswer<Objects[R]>> {
    const metadata = body['metadata'] as { readonly namespace?: string } | undefined;
    return this.#call('POST', pathOf(resource, metadata?.namespace), body);
  }

  update<R extends ResourceName>(resource: R, body: Objects[R]): Promise<ApiAnswer<Objects[R]>> {
    const { namespace, name } = body.metadata;
    return this.#call('PUT', pathOf(resource, namespace, name), body);
  }

  /** A JSON merge patch. */
  patch<R extends ResourceName>(
    resource: R,
    place: Place & { readonly subresource?: 'status' },
    body: JsonObject,
  ): Promise<ApiAnswer<Objects[R]>> {
    const tail = place.subresource === undefined ? '' : `/${place.subresource}`;
    const path = pathOf(resource, place.namespace, place.name) + tail;
    return this.#call('PATCH', path, body, 'application/merge-patch+json');
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
      preconditions: { uid },
    };
    return this.#call('DELETE', pathOf(resource, place.namespace, place.name), body);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call<T>(
    method: string,
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

  #send(
    method: string,
    path: string,
    body: JsonObject | undefined,
    contentType: string,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.#agent,
          hostname: this.#server.hostname,
          port: this.#server.port,
          method,
          path,
          signal: AbortSignal.timeout(this.#deadlineMs),
          headers: {
            accept: 'application/json',
            authorization: `Bearer ${this.#token}`,
            ...(text === undefined
              ? {}
              : // Without a length Node sends the body of a DELETE as bytes of no request.
                { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      outgoing.once('error', reject);
      outgoing.end(text);
    });
  }
}

function pathOf(resource: ResourceName, namespace = '', name = ''): string {
  const { group, namespaced } = kindOf(resource);
  const root = group === '' ? '/api/v1' : `/apis/${group}/v1`;
  const scope = namespaced && namespace !== '' ? `/namespaces/${namespace}` : '';
  return `${root}${scope}/${resource}${name === '' ? '' : `/${name}`}`;
}
