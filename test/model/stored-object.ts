/** How the API server makes the stored object out of what a client sent. */
import type { Json, JsonObject } from '../../src/shared/effect.ts';
import { equal, frozen, isObject } from './json.ts';
import { type AnyObject, kindOf, type Metadata, type Pod, type ResourceName } from './objects.ts';

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

export function sortKey(object: AnyObject): string {
  return keyOf(object.metadata.namespace, object.metadata.name);
}

export function without<T extends object>(object: T, ...keys: readonly string[]): Partial<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([key]) => !keys.includes(key)),
  ) as Partial<T>;
}

/** Grace 0 removes at once: so do pods without a node and finished ones (CheckGracefulDelete). */
export function podGraceSeconds(pod: Pod, requestedSeconds: number | undefined): number {
  const phase = pod.status?.phase;
  if ((pod.spec.nodeName ?? '') === '' || phase === 'Failed' || phase === 'Succeeded') return 0;
  return Math.max(0, requestedSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30);
}

/** A gracefully deleted pod goes only when its grace was cut to 0, whatever its finalizers. */
export function removable(object: AnyObject): boolean {
  return (object.metadata.deletionGracePeriodSeconds ?? 0) === 0;
}

export function withStatus<T extends AnyObject>(old: T, body: JsonObject): T {
  return { ...old, status: body.status };
}

export function withMain<T extends AnyObject>(resource: ResourceName, old: T, body: JsonObject): T {
  const given = (isObject(body.metadata) ? body.metadata : {}) as Partial<Metadata>;
  const next = {
    ...body,
    apiVersion: old.apiVersion,
    kind: old.kind,
    ...(kindOf(resource).hasStatus ? { status: (old as { status?: Json }).status } : {}),
  } as unknown as T;
  const specChanged = !equal(frozen(body.spec), (old as { spec?: unknown }).spec);
  const { metadata } = old;
  const kept = {
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: (metadata.generation ?? 1) + (specChanged ? 1 : 0),
    creationTimestamp: metadata.creationTimestamp,
    deletionTimestamp: metadata.deletionTimestamp,
    deletionGracePeriodSeconds: metadata.deletionGracePeriodSeconds,
  };
  return { ...next, metadata: tidy({ ...given, ...kept }) };
}

/** Empty lists and maps are not stored (omitempty), so that removing the last finalizer is clean. */
function tidy(metadata: object): Metadata {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(metadata)) {
    const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (value !== undefined && value !== null && !empty) result[key] = value;
  }
  return result as unknown as Metadata;
}
