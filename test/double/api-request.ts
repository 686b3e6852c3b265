/** One request to the store, as HTTP verbs mean it; watches are served elsewhere. */
import type { Json, JsonObject } from '../../src/shared/effect.ts';
import { isObject } from '../model/json.ts';
import { type AnyObject, apiVersionOf, kindOf } from '../model/objects.ts';
import type { Store } from '../model/store.ts';
import { failure, type Failure, type Result } from '../model/verbs.ts';
import { eventsGroup, fromCoreEvent, invalidModernEvent, toCoreEvent } from './event-form.ts';
import type { Pages } from './pages.ts';
import type { ApiPath } from './request-path.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: ApiPath;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: Json | undefined;
}

export interface ApiReply {
  readonly status: number;
  readonly body: JsonObject;
}

export function serveRequest(store: Store, pages: Pages, request: ApiRequest): ApiReply {
  switch (request.method) {
    case 'GET':
      return request.path.name === '' ? list(store, pages, request) : get(store, request);
    case 'POST':
      return post(store, request);
    case 'PUT':
      return put(store, request);
    case 'PATCH':
      return patch(store, request);
    case 'DELETE':
      return remove(store, request);
    default:
      return refuse(failure(405, 'MethodNotAllowed', `${request.method} is not served`));
  }
}

export function refuse({ status, reason, message }: Failure): ApiReply {
  return { status, body: statusObject(status, reason, message) };
}

export function statusObject(code: number, reason: string, message: string): JsonObject {
  const kind = { kind: 'Status', apiVersion: 'v1', metadata: {} };
  return { ...kind, status: 'Failure', message, reason, code };
}

/** How an object looks at this path: Events have two forms. */
export function shown(path: ApiPath, object: AnyObject): JsonObject {
  const json = object as unknown as JsonObject;
  return path.group === eventsGroup ? fromCoreEvent(json) : json;
}

function reply(path: ApiPath, result: Result<AnyObject>, status = 200): ApiReply {
  return result.ok ? { status, body: shown(path, result.object) } : refuse(result);
}

function get(store: Store, { path }: ApiRequest): ApiReply {
  return reply(path, store.get(path.resource, path));
}

function list(store: Store, pages: Pages, { path, query }: ApiRequest): ApiReply {
  const wanted = Number(query.get('resourceVersion') ?? '0');
  if (wanted > store.resourceVersion) {
    return refuse(
      failure(
        504,
        'Timeout',
        `Too large resource version: ${wanted}, current: ${store.resourceVersion}`,
      ),
    );
  }
  const page = pages.page(store, path, query);
  if ('ok' in page) return refuse(page);
  const { kind } = kindOf(path.resource);
  return {
    status: 200,
    body: {
      kind: `${kind}List`,
      apiVersion: path.group === eventsGroup ? `${eventsGroup}/v1` : apiVersionOf(path.resource),
      metadata: { resourceVersion: page.resourceVersion, ...page.more },
      // Items of a list carry neither kind nor apiVersion, as with the real one.
      items: page.items.map((object) => {
        const { kind: _kind, apiVersion: _version, ...rest } = shown(path, object);
        return rest;
      }),
    },
  };
}

function post(store: Store, request: ApiRequest): ApiReply {
  const { path } = request;
  const body = objectBody(request);
  if (body === undefined) return badBody();
  if (path.subresource === 'binding') return bind(store, path, body);
  if (path.subresource === 'eviction') {
    const result = store.delete('pods', path, deleteOptions(body.deleteOptions));
    return result.ok ? { status: 201, body: success() } : refuse(result);
  }
  if (path.name !== '') return refuse(failure(405, 'MethodNotAllowed', 'POST needs a collection'));
  const modern = path.group === eventsGroup;
  const placed = inNamespace(body, path.namespace);
  if (placed === undefined) {
    return refuse(
      failure(400, 'BadRequest', 'the namespace of the provided object does not match the request'),
    );
  }
  const invalid = modern ? invalidModernEvent(placed) : undefined;
  if (invalid !== undefined) return refuse(failure(422, 'Invalid', invalid));
  return reply(path, store.create(path.resource, modern ? toCoreEvent(placed) : placed), 201);
}

function bind(store: Store, path: ApiPath, body: JsonObject): ApiReply {
  const target = isObject(body.target) ? body.target.name : undefined;
  const uid = isObject(body.metadata) ? body.metadata.uid : undefined;
  const result = store.bind(
    path,
    typeof target === 'string' ? target : '',
    typeof uid === 'string' ? uid : undefined,
  );
  return result.ok ? { status: 201, body: success() } : refuse(result);
}

function put(store: Store, request: ApiRequest): ApiReply {
  const { path } = request;
  const body = objectBody(request);
  if (body === undefined) return badBody();
  const metadata = isObject(body.metadata) ? body.metadata : {};
  const placed = inNamespace(body, path.namespace);
  if (placed === undefined || metadata.name !== path.name) {
    return refuse(
      failure(400, 'BadRequest', 'the name of the object does not match the name on the URL'),
    );
  }
  const subresource = statusOnly(path);
  const modern = path.group === eventsGroup;
  const sent = modern ? toCoreEvent(placed) : placed;
  const created = store.find(path.resource, path.name, path.namespace) === undefined;
  return reply(path, store.update(path.resource, sent, { subresource }), created ? 201 : 200);
}

function patch(store: Store, request: ApiRequest): ApiReply {
  const { path, contentType } = request;
  const body = objectBody(request);
  if (body === undefined) return badBody();
  const type = contentType.startsWith('application/merge-patch+json')
    ? 'merge'
    : contentType.startsWith('application/strategic-merge-patch+json')
      ? 'strategic'
      : undefined;
  if (type === undefined) {
    const message = `the body of the request was in an unknown format: ${contentType}`;
    return refuse(failure(415, 'UnsupportedMediaType', message));
  }
  const metadata = isObject(body.metadata) ? body.metadata : {};
  if ((metadata.name ?? path.name) !== path.name) {
    const message = 'the name of the object does not match the name on the URL';
    return refuse(failure(400, 'BadRequest', message));
  }
  const sent = path.group === eventsGroup ? toCoreEvent(body) : body;
  const subresource = statusOnly(path);
  return reply(path, store.patch(path.resource, path, sent, { type, subresource }));
}

function remove(store: Store, { path, query, body }: ApiRequest): ApiReply {
  if (path.name === '') {
    return refuse(failure(405, 'MethodNotAllowed', 'collections are not deleted here'));
  }
  const options = deleteOptions(body);
  const grace = query.get('gracePeriodSeconds');
  const result = store.delete(path.resource, path, {
    ...options,
    gracePeriodSeconds: grace === null ? options.gracePeriodSeconds : Number(grace),
  });
  if (!result.ok) return refuse(result);
  const stands = store.find(path.resource, path.name, path.namespace) !== undefined;
  // Most kinds answer with a Status when the object is gone; pods and nodes show their last state.
  const showsLast = path.resource === 'pods' || path.resource === 'persistentvolumes';
  if (stands || showsLast) return reply(path, result);
  return { status: 200, body: success() };
}

function deleteOptions(body: Json | undefined): Parameters<Store['delete']>[2] & object {
  const options = isObject(body) ? body : {};
  const { gracePeriodSeconds: grace } = options;
  const preconditions = isObject(options.preconditions) ? options.preconditions : {};
  const { uid, resourceVersion } = preconditions;
  return {
    uid: typeof uid === 'string' ? uid : undefined,
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : undefined,
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
  };
}

/** The body with the namespace of the URL; undefined if it names another one. */
function inNamespace(body: JsonObject, namespace: string): JsonObject | undefined {
  const metadata = isObject(body.metadata) ? body.metadata : {};
  if (namespace === '') return body;
  if ((metadata.namespace ?? namespace) !== namespace) return undefined;
  return { ...body, metadata: { ...metadata, namespace } };
}

function statusOnly(path: ApiPath): 'status' | undefined {
  return path.subresource === 'status' ? 'status' : undefined;
}

function objectBody({ body }: ApiRequest): JsonObject | undefined {
  return isObject(body) ? body : undefined;
}

function badBody(): ApiReply {
  return refuse(failure(400, 'BadRequest', 'the request body is not a JSON object'));
}

function success(): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
}
