import type { JsonObject, KubernetesEffect, Reply, Resource } from '../effect.ts';
import type { HttpReply, HttpRequest } from './http-message.ts';
import type { Transport } from './transport.ts';

const core = '/api/v1';
const storage = '/apis/storage.k8s.io/v1';
const coordination = '/apis/coordination.k8s.io/v1';

/** Everything that we act on or watch. */
export type WatchedResource = Resource | 'csidrivers' | 'namespaces' | 'configmaps';

/** Where a resource lives in the API, and whether its objects have a namespace. */
const places: Readonly<Record<WatchedResource, { group: string; namespaced: boolean }>> = {
  pods: { group: core, namespaced: true },
  nodes: { group: core, namespaced: false },
  persistentvolumes: { group: core, namespaced: false },
  persistentvolumeclaims: { group: core, namespaced: true },
  namespaces: { group: core, namespaced: false },
  configmaps: { group: core, namespaced: true },
  volumeattachments: { group: storage, namespaced: false },
  csinodes: { group: storage, namespaced: false },
  csidrivers: { group: storage, namespaced: false },
  leases: { group: coordination, namespaced: true },
};

export type KubernetesReply = Extract<Reply, { target: 'kubernetes' }>;

/**
 * Does one effect over HTTP. A get names no resourceVersion, so it is a consistent read (API
 * concepts, "resource versions"). Never rejects; status 0 means that no answer came within
 * `deadlineMs`; `rank` is that of HttpRequest. An effect that would reach more than the one object
 * it names is not sent.
 */
export async function performKubernetes(
  transport: Pick<Transport, 'request'>,
  effect: KubernetesEffect,
  deadlineMs = 10_000,
  rank = 0,
): Promise<KubernetesReply> {
  const mistake = mistakeIn(effect);
  if (mistake !== undefined) return reply(400, { kind: 'Status', message: mistake });
  const answer = await transport.request({ ...requestFor(effect), deadlineMs, rank });
  return reply(answer.status, bodyOf(answer));
}

/**
 * An empty name turns a path into that of the whole collection, where DELETE removes everything;
 * an empty uid would delete whatever has the name now.
 */
function mistakeIn(effect: KubernetesEffect): string | undefined {
  if (effect.name === '') return 'refused before sending: the object has no name';
  if (places[effect.resource].namespaced !== (effect.namespace !== '')) {
    return `refused before sending: namespace "${effect.namespace}" for ${effect.resource}`;
  }
  if (effect.verb === 'delete' && effect.uid === '') {
    return 'refused before sending: a DELETE must name the uid';
  }
  return undefined;
}

function requestFor(effect: KubernetesEffect): Omit<HttpRequest, 'deadlineMs' | 'rank'> {
  const collection = collectionPath(effect.resource, effect.namespace);
  const path = `${collection}/${encodeURIComponent(effect.name)}`;
  if (effect.verb === 'get') return { method: 'GET', path };
  if (effect.verb === 'delete') {
    return { method: 'DELETE', path, body: JSON.stringify(deleteOptions(effect)) };
  }
  const body = JSON.stringify(effect.body);
  if (effect.verb === 'create') return { method: 'POST', path: collection, body };
  if (effect.verb === 'update') return { method: 'PUT', path, body };
  return {
    method: 'PATCH',
    path: effect.subresource === undefined ? path : `${path}/${effect.subresource}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body,
  };
}

function deleteOptions(effect: { uid: string; gracePeriodSeconds?: number }): JsonObject {
  const { uid, gracePeriodSeconds } = effect;
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid },
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
}

/** The path of a collection; without a namespace, that of all namespaces. */
export function collectionPath(resource: WatchedResource, namespace: string): string {
  const { group } = places[resource];
  return namespace === ''
    ? `${group}/${resource}`
    : `${group}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

/** The JSON object in an answer; undefined if there is none. */
export function bodyOf(answer: HttpReply): JsonObject | undefined {
  if (answer.body === '') return undefined;
  try {
    const json: unknown = JSON.parse(answer.body);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}

function reply(status: number, body: JsonObject | undefined): KubernetesReply {
  return { target: 'kubernetes', status, body };
}
