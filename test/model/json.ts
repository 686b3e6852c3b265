/** Plain JSON as the store keeps it: frozen, shared between versions, compared by structure. */
import type { Json, JsonObject } from '../../src/shared/effect.ts';

let seal: (value: object) => unknown = Object.freeze;

/**
 * From now on nothing can be added to what is made here, but what is in it could be changed. A
 * twentieth of a seed's time is freezing: where thousands are run, those that are run alone, and
 * the unit tests, have to stand for them.
 */
export function sealLightly(): void {
  seal = Object.preventExtensions;
}

/** No object that comes from elsewhere. */
export function isSealed(value: object): boolean {
  return !Object.isExtensible(value);
}

export function sealed<T extends object>(value: T): T {
  seal(value);
  return value;
}

/**
 * A deeply frozen copy without undefined and null members (the API server stores neither). What is frozen already was made here and is
 * shared as it is, so that writing a changed object costs only what changed.
 */
export function frozen<T>(value: T): T {
  return frozenOver(value, undefined);
}

/**
 * The same for what comes in the place of `old`: whatever of it has not changed is `old`'s own, so
 * that whoever asks what has changed need only compare identities.
 */
export function frozenOver<T>(value: T, old: unknown): T {
  // The old one's own text, too: what is the very same is soon compared.
  if (value === old) return old as T;
  if (typeof value !== 'object' || value === null) return value;
  if (isSealed(value)) return equal(value, old) ? (old as T) : value;
  return (Array.isArray(value) ? frozenList(value, old) : frozenObject(value, old)) as T;
}

function frozenList(value: readonly unknown[], old: unknown): unknown {
  const before: readonly unknown[] | undefined = Array.isArray(old) ? old : undefined;
  let same = value.length === before?.length;
  const list = value.map((item, i) => {
    const kept = frozenOver(item, before?.[i]);
    if (kept !== before?.[i]) same = false;
    return kept;
  });
  return same ? old : sealed(list);
}

function frozenObject(value: object, old: unknown): unknown {
  const before = isObject(old) ? (old as Readonly<Record<string, unknown>>) : undefined;
  const copy: Record<string, unknown> = {};
  let count = 0;
  let same = before !== undefined;
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined || member === null) continue;
    const kept = frozenOver(member, before?.[key]);
    if (kept !== before?.[key]) same = false;
    copy[key] = kept;
    count += 1;
  }
  if (same && before !== undefined && count === Object.keys(before).length) return old;
  return sealed(copy);
}

/** Structural equality; fast where subtrees are shared. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i += 1) if (!equal(a[i], b[i])) return false;
    return true;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  for (const key of keys) {
    const [one, other] = [left[key], right[key]];
    if (one !== other && !equal(one, other)) return false;
    if (one === undefined && !(key in right)) return false;
  }
  return true;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386: null removes, objects merge, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json | undefined> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** The lists that Kubernetes merges by a key instead of replacing them (patchMergeKey tags). */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  conditions: ['type'],
  ownerReferences: ['uid'],
  addresses: ['type'],
  containers: ['name'],
  volumes: ['name'],
};

/**
 * Strategic merge patch, as far as it is used on the modelled kinds: lists named above merge by
 * their key (`$patch: delete` removes an entry), finalizers unite (`$deleteFromPrimitiveList/finalizers`
 * removes), all other lists (taints are atomic, volumesInUse too) are replaced. `$setElementOrder`
 * and `$retainKeys` directives are ignored.
 */
export function strategicMergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json | undefined> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (key.startsWith('$')) applyDirective(result, key, value);
    else if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(key, result[key], value as Json[]);
    else result[key] = strategicMergePatch(result[key], value);
  }
  return result;
}

function applyDirective(target: Record<string, Json | undefined>, key: string, value: Json): void {
  const [directive, field] = key.split('/');
  if (directive !== '$deleteFromPrimitiveList' || field === undefined) return;
  const removed = Array.isArray(value) ? (value as Json[]) : [];
  const list = target[field];
  if (Array.isArray(list)) target[field] = list.filter((item: Json) => !removed.includes(item));
}

function mergeList(field: string, old: Json | undefined, patch: readonly Json[]): Json {
  const before = Array.isArray(old) ? (old as Json[]) : [];
  if (field === 'finalizers') return [...new Set([...before, ...patch])];
  const mergeKey = mergeKeys[field]?.[0];
  if (mergeKey === undefined) return patch.filter((item) => !isDirective(item));
  const result = [...before];
  for (const item of patch) {
    if (!isObject(item)) continue;
    const at = result.findIndex((known) => isObject(known) && known[mergeKey] === item[mergeKey]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicMergePatch(result[at], item);
    else result.push(item);
  }
  return result;
}

function isDirective(item: Json): boolean {
  return isObject(item) && '$patch' in item;
}
