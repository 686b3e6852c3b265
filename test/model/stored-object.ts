/** How the API server makes the stored object out of what a client sent. */
import type { Json, JsonObject } from '../../src/shared/effect.ts';
import { microTime, plainTime } from '../../src/shared/kubernetes/micro-time.ts';
import { frozen, frozenOver, isObject, isSealed, sealed } from './json.ts';
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

let lastMoment = Number.NaN;
let lastMomentText = '';

/** RFC 3339 with microseconds, as metav1.MicroTime. */
export function micros(wallMs: number): string {
  if (wallMs !== lastMoment) {
    lastMoment = wallMs;
    lastMomentText = microTime(wallMs);
  }
  return lastMomentText;
}

let lastSecond = Number.NaN;
let lastSecondText = '';

/** RFC 3339 with whole seconds, as metav1.Time. Asked many times for the same moment. */
export function seconds(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondText = plainTime(wallMs);
  }
  return lastSecondText;
}

const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Not random: the same count gives the same suffix. */
export function generatedName(prefix: string, count: number): string {
  let rest = Math.imul(count, 0x9e3779b1) >>> 0;
  let suffix = '';
  for (let i = 0; i < 5; i += 1) {
    suffix += nameAlphabet[rest % nameAlphabet.length];
    rest = Math.floor(rest / nameAlphabet.length);
  }
  return prefix + suffix;
}

/**
 * The spec stays, but labels, annotations and finalizers change through the status, too. Only
 * VolumeAttachments are strict (their strategy calls ResetObjectMetaForStatus).
 */
export function withStatus<T extends AnyObject>(
  resource: ResourceName,
  old: T,
  body: JsonObject,
): T {
  if (resource === 'volumeattachments') return { ...old, status: body.status };
  const given = (isObject(body.metadata) ? body.metadata : {}) as Partial<Metadata>;
  const { ownerReferences } = old.metadata;
  const metadata = completed(kept(old), ownerReferences ? { ...given, ownerReferences } : given);
  return { ...old, metadata, status: body.status };
}

type Draft = { -readonly [Key in keyof Metadata]?: Metadata[Key] };

/** What no client changes. */
function kept({ metadata }: AnyObject): Draft {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp } = metadata;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  const all: Draft = {
    name,
    uid,
    resourceVersion,
    creationTimestamp,
  };
  if (namespace !== undefined) all.namespace = namespace;
  if (generation !== undefined) all.generation = generation;
  if (deletionTimestamp !== undefined) all.deletionTimestamp = deletionTimestamp;
  if (deletionGracePeriodSeconds !== undefined) {
    all.deletionGracePeriodSeconds = deletionGracePeriodSeconds;
  }
  return all;
}

export function withMain<T extends AnyObject>(resource: ResourceName, old: T, body: JsonObject): T {
  const given = (isObject(body.metadata) ? body.metadata : {}) as Partial<Metadata>;
  const next: Record<string, unknown> = { ...body, apiVersion: old.apiVersion, kind: old.kind };
  const { spec, status } = old as { spec?: Json; status?: Json };
  if (body.spec !== undefined) next.spec = frozenOver(body.spec, spec);
  if (kindOf(resource).hasStatus) next.status = status;
  const specChanged = next.spec !== spec;
  const generation = (old.metadata.generation ?? 1) + (specChanged ? 1 : 0);
  const metadata = kept(old);
  metadata.generation = generation;
  next.metadata = completed(metadata, given);
  return next as unknown as T;
}

/** The frozen object with this version. What is in a frozen object is frozen already. */
export function stamped<T extends AnyObject>(object: T, resourceVersion: string): T {
  const metadata = { ...object.metadata, resourceVersion };
  if (!isSealed(object)) return frozen({ ...object, metadata });
  sealed(metadata);
  const made: T = { ...object, metadata };
  return sealed(made);
}

/**
 * What the client may say beside what it cannot change. Empty lists and maps are not stored
 * (omitempty), so that removing the last finalizer is clean.
 */
function completed(metadata: Draft, given: Partial<Metadata>): Metadata {
  const result = metadata as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (notTheClients.has(key)) continue;
    const value = (given as Record<string, unknown>)[key];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'object' || Object.keys(value).length > 0) result[key] = value;
  }
  return metadata as Metadata;
}

const notTheClients: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]);
