/**
 * The API server's object store, synchronous: plain JSON objects, optimistic concurrency,
 * preconditions, finalizers, graceful deletion, watches. Semantics follow
 * staging/src/k8s.io/apiserver/pkg/registry (store.go, rest/delete.go) and the strategies of the
 * kinds. Objects handed out are frozen (but see `sealLightly`) and shared; what callers hand in is
 * copied.
 */
import type { Json, JsonObject } from '../../src/shared/effect.ts';
import { withCondition } from './conditions.ts';
import { withDefaults } from './defaults.ts';
import { deletionOf } from './deletion.ts';
import { EventLog, type StoreEvent } from './event-log.ts';
import { immutableChange } from './immutable.ts';
import { frozenOver, isObject, mergePatch, strategicMergePatch } from './json.ts';
import {
  type AnyObject,
  apiVersionOf,
  kindOf,
  kinds,
  type Metadata,
  type Objects,
  type Pod,
  type ResourceName,
} from './objects.ts';
import { refusalOf } from './preconditions.ts';
import { type Matcher, matcher, type Selection } from './selection.ts';
import {
  generatedName,
  micros,
  removable,
  seconds,
  sortKey,
  stamped,
  without,
  withMain,
  withStatus,
} from './stored-object.ts';
import { Table } from './table.ts';
import { invalidity } from './validation.ts';
import {
  type DeleteOptions,
  type Failure,
  failure,
  type Listing,
  notFound,
  type PatchOptions,
  type Place,
  type Result,
} from './verbs.ts';

export interface StoreOptions {
  /** Milliseconds since 1970; stamps creation and deletion. */
  readonly wallTime: () => number;
  /** Events kept per resource before watches from older versions get 410; default 20,000. */
  readonly keepEvents?: number;
}

/** The store's version after the newest change of one resource. */
export interface Version {
  readonly newest: number;
}

export type Listener = (event: StoreEvent) => void;

const unversionedUpdate = failure(
  422,
  'Invalid',
  'metadata.resourceVersion: must be specified for an update',
);

const firstResourceVersion = 1000;

export class Store {
  readonly #wallTime: () => number;
  readonly #objects = new Map<ResourceName, Table>();
  readonly #logs = new Map<ResourceName, EventLog>();
  readonly #versions = new Map<ResourceName, Version>();
  readonly #snapshots = new Map<ResourceName, readonly AnyObject[]>();
  readonly #resourceOfUid = new Map<string, ResourceName>();
  readonly #listeners = new Set<Listener>();
  #version = firstResourceVersion;
  #uids = 0;
  #suffixes = 0;

  constructor(options: StoreOptions) {
    this.#wallTime = options.wallTime;
    for (const resource of kinds.keys()) {
      this.#objects.set(resource, new Table());
      this.#logs.set(resource, new EventLog(options.keepEvents ?? 20_000));
      this.#versions.set(resource, { newest: 0 });
    }
  }

  /** The version of the newest change of all. */
  get resourceVersion(): number {
    return this.#version;
  }

  /** Follows the changes of one resource: lets a controller skip idle steps. */
  versionOf(resource: ResourceName): Version {
    const version = this.#versions.get(resource);
    if (version === undefined) throw new Error(`no such resource: ${resource}`);
    return version;
  }

  /** RFC 3339 with whole seconds, as metav1.Time. */
  timestamp(): string {
    return seconds(this.#wallTime());
  }

  /** RFC 3339 with microseconds, as metav1.MicroTime. */
  microTimestamp(): string {
    return micros(this.#wallTime());
  }

  /** The object, or undefined: for controllers, where absence is no error. */
  find<R extends ResourceName>(resource: R, name: string, namespace = ''): Objects[R] | undefined {
    return this.#table(resource).get(name, namespace) as Objects[R] | undefined;
  }

  /** Whether any object with this uid exists. */
  hasUid(uid: string): boolean {
    return this.#resourceOfUid.has(uid);
  }

  /** All objects of a resource, in order of creation: a snapshot, shared until the next change. */
  all<R extends ResourceName>(resource: R): readonly Objects[R][] {
    let snapshot = this.#snapshots.get(resource);
    if (snapshot === undefined) {
      snapshot = this.#table(resource).inOrder();
      this.#snapshots.set(resource, snapshot);
    }
    return snapshot as unknown as readonly Objects[R][];
  }

  get<R extends ResourceName>(resource: R, place: Place): Result<Objects[R]> {
    const object = this.find(resource, place.name, place.namespace);
    return object === undefined ? notFound(resource, place.name) : { ok: true, object };
  }

  /** Sorted by namespace and name, like etcd's keys. Throws for a malformed selector. */
  list<R extends ResourceName>(resource: R, selection: Selection = {}): Listing<Objects[R]> {
    const matches: Matcher = matcher(selection);
    const items = this.all(resource)
      .filter((object) => matches(object))
      .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)) as Objects[R][];
    return { items, resourceVersion: String(this.#version) };
  }

  create<R extends ResourceName>(resource: R, body: JsonObject): Result<Objects[R]> {
    const given = isObject(body.metadata) ? (body.metadata as Partial<Metadata>) : {};
    const name = given.name ?? this.#generatedName(given.generateName);
    const namespace = kindOf(resource).namespaced ? given.namespace : undefined;
    if (name === '') return failure(422, 'Invalid', 'name or generateName is required');
    if (kindOf(resource).namespaced && (namespace ?? '') === '') {
      return failure(400, 'BadRequest', 'an empty namespace may not be set during creation');
    }
    if ((given.resourceVersion ?? '') !== '') {
      // No mistake of ours: the API server has no better word for it.
      const message = 'resourceVersion should not be set on objects to be created';
      return failure(500, 'InternalError', message);
    }
    if (this.find(resource, name, namespace) !== undefined) {
      return failure(409, 'AlreadyExists', `${resource} "${name}" already exists`);
    }
    const metadata: Metadata = {
      ...without(given, 'deletionTimestamp', 'deletionGracePeriodSeconds', 'namespace'),
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: this.#newUid(),
      resourceVersion: '',
      generation: 1,
      creationTimestamp: this.timestamp(),
    };
    const object = {
      ...withDefaults(resource, body),
      apiVersion: apiVersionOf(resource),
      kind: kindOf(resource).kind,
      metadata,
    } as unknown as AnyObject;
    const invalid = invalidity(resource, object);
    if (invalid !== undefined) return failure(422, 'Invalid', invalid);
    return { ok: true, object: this.#write('ADDED', resource, object) as Objects[R] };
  }

  /** PUT of the whole object, or of its status. */
  update<R extends ResourceName>(
    resource: R,
    body: JsonObject,
    options: { readonly subresource?: 'status' | undefined } = {},
  ): Result<Objects[R]> {
    const given = isObject(body.metadata) ? (body.metadata as Partial<Metadata>) : {};
    const old = this.find(resource, given.name ?? '', given.namespace);
    if (old === undefined) return this.#createByPut(resource, body, given);
    const refusal = refusalOf(resource, old, given, 'put');
    if (refusal !== undefined) return refusal;
    if (kindOf(resource).conditionalUpdate && (given.resourceVersion ?? '') === '') {
      return unversionedUpdate;
    }
    return this.#replace(resource, old, body, options.subresource);
  }

  /** `metadata.uid` and `metadata.resourceVersion` in the body are preconditions. */
  patch<R extends ResourceName>(
    resource: R,
    place: Place,
    body: JsonObject,
    options: PatchOptions = {},
  ): Result<Objects[R]> {
    const old = this.find(resource, place.name, place.namespace);
    if (old === undefined) return notFound(resource, place.name);
    const given = isObject(body.metadata) ? (body.metadata as Partial<Metadata>) : {};
    const refusal = refusalOf(resource, old, given, 'patch');
    if (refusal !== undefined) return refusal;
    const unversioned = given.resourceVersion === '' && kindOf(resource).conditionalUpdate;
    if (unversioned) return unversionedUpdate;
    const merge = options.type === 'strategic' ? strategicMergePatch : mergePatch;
    const merged = merge(old as unknown as Json, body) as JsonObject;
    return this.#replace(resource, old, merged, options.subresource);
  }

  /** Gracefully or at once, see `deletionOf`. The answer is the object's last state. */
  delete<R extends ResourceName>(
    resource: R,
    place: Place,
    options: DeleteOptions = {},
  ): Result<Objects[R]> {
    const old = this.find(resource, place.name, place.namespace);
    if (old === undefined) return notFound(resource, place.name);
    const refusal = refusalOf(resource, old, options, 'delete');
    if (refusal !== undefined) return refusal;
    const deletion = deletionOf(resource, old, options);
    if (deletion.kind === 'keep') return { ok: true, object: old };
    if (deletion.kind === 'remove' && resource !== 'pods') {
      return { ok: true, object: this.#remove(resource, old) as Objects[R] };
    }
    const graceSeconds = deletion.kind === 'remove' ? 0 : deletion.graceSeconds;
    const metadata: Metadata = {
      ...old.metadata,
      generation: (old.metadata.generation ?? 1) + 1,
      deletionTimestamp: seconds(this.#wallTime() + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
    };
    const marked = this.#write('MODIFIED', resource, { ...old, metadata } as AnyObject, old);
    // A pod is seen to be terminating also when it goes at once.
    const object = deletion.kind === 'remove' ? this.#remove(resource, marked) : marked;
    return { ok: true, object: object as Objects[R] };
  }

  /** POST pods/binding: what the scheduler does. */
  bind(place: Place, node: string, uid?: string): Result<Pod> {
    const old = this.find('pods', place.name, place.namespace);
    if (old === undefined) return notFound('pods', place.name);
    const refusal = refusalOf('pods', old, { uid }, 'bind');
    if (refusal !== undefined) return refusal;
    if ((old.spec.nodeName ?? '') !== '' || old.metadata.deletionTimestamp !== undefined) {
      return failure(409, 'Conflict', `pod ${place.name} is already assigned or being deleted`);
    }
    const conditions = withCondition(old.status?.conditions, {
      type: 'PodScheduled',
      status: 'True',
      lastTransitionTime: this.timestamp(),
    });
    const status = { ...old.status, conditions };
    const object = { ...old, spec: { ...old.spec, nodeName: node }, status };
    return { ok: true, object: this.#write('MODIFIED', 'pods', object, old) as Pod };
  }

  /** The changes after version `rv`, of one resource; 410 if they were compacted away. */
  eventsSince<R extends ResourceName>(
    rv: number,
    resource: R,
  ): { readonly ok: true; readonly events: readonly StoreEvent<R>[] } | Failure {
    const events = this.#logs.get(resource)?.since(rv);
    if (events === undefined) {
      return failure(410, 'Expired', `too old resource version: ${rv}`);
    }
    return { ok: true, events: events as readonly StoreEvent<R>[] };
  }

  /** Forgets the changes up to and including version `rv`, as etcd's compaction does. */
  compact(rv: number): void {
    for (const log of this.#logs.values()) log.compact(rv);
  }

  /** Called after every change; the returned function ends it. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Some kinds may be created by PUT (strategy AllowCreateOnUpdate), whatever version it names. */
  #createByPut<R extends ResourceName>(
    resource: R,
    body: JsonObject,
    given: Partial<Metadata>,
  ): Result<Objects[R]> {
    const { name = '', uid = '' } = given;
    if (resource !== 'leases' && resource !== 'events') return notFound(resource, name);
    if (uid !== '') {
      const detail = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
      return failure(409, 'Conflict', `cannot be fulfilled on ${resource} "${name}": ${detail}`);
    }
    return this.create(resource, { ...body, metadata: without(given, 'resourceVersion') });
  }

  #replace<R extends ResourceName>(
    resource: R,
    old: Objects[R],
    body: JsonObject,
    subresource: 'status' | undefined,
  ): Result<Objects[R]> {
    const next =
      subresource === 'status' ? withStatus(resource, old, body) : withMain(resource, old, body);
    const deleting = old.metadata.deletionTimestamp !== undefined;
    const finalizers = next.metadata.finalizers ?? [];
    if (deleting && finalizers.some((one) => !(old.metadata.finalizers ?? []).includes(one))) {
      return failure(
        422,
        'Invalid',
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted',
      );
    }
    const object = frozenOver(next, old);
    if (object === old) return { ok: true, object: old };
    const invalid = invalidity(resource, object, old) ?? immutableChange(resource, old, object);
    if (invalid !== undefined) return failure(422, 'Invalid', invalid);
    if (deleting && finalizers.length === 0 && removable(object)) {
      // What the last write brought is only in its answer: watches are told what was stored.
      this.#remove(resource, old);
      return { ok: true, object: object as Objects[R] };
    }
    return { ok: true, object: this.#write('MODIFIED', resource, object, old) as Objects[R] };
  }

  #write(
    type: 'ADDED' | 'MODIFIED',
    resource: ResourceName,
    next: AnyObject,
    old?: AnyObject,
  ): AnyObject {
    const object = this.#stamped(next);
    this.#table(resource).put(object);
    if (type === 'ADDED') this.#resourceOfUid.set(object.metadata.uid, resource);
    this.#record(type, resource, object, old);
    return object;
  }

  #remove(resource: ResourceName, last: AnyObject): AnyObject {
    const object = this.#stamped(last);
    this.#table(resource).remove(last);
    this.#resourceOfUid.delete(last.metadata.uid);
    this.#record('DELETED', resource, object, last);
    return object;
  }

  #stamped(object: AnyObject): AnyObject {
    this.#version += 1;
    return stamped(object, String(this.#version));
  }

  #record(
    type: StoreEvent['type'],
    resource: ResourceName,
    object: AnyObject,
    old: AnyObject | undefined,
  ): void {
    (this.versionOf(resource) as { newest: number }).newest = this.#version;
    this.#snapshots.delete(resource);
    const event: StoreEvent = {
      rv: this.#version,
      type,
      resource,
      object,
      ...(old === undefined ? {} : { old }),
    };
    this.#logs.get(resource)?.append(event);
    for (const listener of this.#listeners) listener(event);
  }

  #table(resource: ResourceName): Table {
    const table = this.#objects.get(resource);
    if (table === undefined) throw new Error(`no such resource: ${resource}`);
    return table;
  }

  /** Counted, not random: the same steps give the same uids, in the form of a UUID. */
  #newUid(): string {
    this.#uids += 1;
    return `00000000-0000-4000-8000-${this.#uids.toString(16).padStart(12, '0')}`;
  }

  #generatedName(prefix: string | undefined): string {
    if (prefix === undefined || prefix === '') return '';
    this.#suffixes += 1;
    return generatedName(prefix, this.#suffixes);
  }
}
