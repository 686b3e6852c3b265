import { setTimeout as sleep } from 'node:timers/promises';
import type { StoreEvent } from '../model/event-log.ts';
import {
  type AnyObject,
  apiVersionOf,
  kindOf,
  type Objects,
  type ResourceName,
} from '../model/objects.ts';
import { type ApiClient, type Listed, pathOf } from '../machine/api-client.ts';
import type { Change } from '../machine/foundation.ts';

interface WatchLine {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: AnyObject;
}

/**
 * All objects of some resources as a real API server tells of them, and every change since: what a
 * test asserts on. Lists and watches; where the watch ends, lists again and tells of the difference.
 */
export class ObjectWatch implements AsyncDisposable {
  readonly #api: ApiClient;
  readonly #objects = new Map<ResourceName, Map<string, AnyObject>>();
  readonly #listeners: ((change: Change) => void)[] = [];
  readonly #end = new AbortController();
  #loops: readonly Promise<void>[] = [];

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Resolves when everything was listed once. */
  async start(resources: readonly ResourceName[]): Promise<void> {
    const versions = await Promise.all(resources.map((resource) => this.#list(resource)));
    this.#loops = resources.map((resource, index) => this.#follow(resource, versions[index]));
  }

  find<R extends ResourceName>(resource: R, name: string, namespace = ''): Objects[R] | undefined {
    return this.#table(resource).get(keyOf(namespace, name)) as Objects[R] | undefined;
  }

  all<R extends ResourceName>(resource: R): readonly Objects[R][] {
    return [...this.#table(resource).values()] as Objects[R][];
  }

  subscribe(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#loops);
  }

  async #follow(resource: ResourceName, listed: string | undefined): Promise<void> {
    let version = listed;
    const { signal } = this.#end;
    while (!signal.aborted) {
      version ??= await this.#list(resource);
      if (version !== undefined) await this.#watch(resource, version);
      // Not from where it ended but anew: simple, and what was missed shows in the difference.
      version = undefined;
      await sleep(100, undefined, { signal }).catch(() => undefined);
    }
  }

  async #list(resource: ResourceName): Promise<string | undefined> {
    const { object } = await this.#api.call<Listed<AnyObject>>('GET', pathOf(resource));
    if (object === undefined) return undefined;
    const rv = Number(object.metadata.resourceVersion);
    const gone = new Map(this.#table(resource));
    for (const item of object.items) {
      gone.delete(keyOf(item.metadata.namespace, item.metadata.name));
      this.#put(resource, item);
    }
    for (const old of gone.values()) this.#remove(resource, old, rv);
    return object.metadata.resourceVersion;
  }

  async #watch(resource: ResourceName, version: string): Promise<void> {
    const query = `watch=true&resourceVersion=${version}&timeoutSeconds=3600`;
    await this.#api.follow(`${pathOf(resource)}?${query}`, this.#end.signal, (line) => {
      const event = parse(line);
      if (event === undefined) return;
      const { type, object } = event;
      if (type === 'ADDED' || type === 'MODIFIED') this.#put(resource, object);
      else if (type === 'DELETED') {
        this.#remove(resource, object, Number(object.metadata.resourceVersion));
      }
    });
  }

  #put(resource: ResourceName, item: AnyObject): void {
    const { kind } = kindOf(resource);
    // Items of a list do not say what they are.
    const object = { ...item, apiVersion: apiVersionOf(resource), kind } as AnyObject;
    const { namespace, name, resourceVersion } = object.metadata;
    const key = keyOf(namespace, name);
    const old = this.#table(resource).get(key);
    if (old?.metadata.resourceVersion === resourceVersion) return;
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) {
      this.#remove(resource, old, Number(resourceVersion));
      this.#put(resource, object);
      return;
    }
    this.#table(resource).set(key, object);
    const rv = Number(resourceVersion);
    const type = old === undefined ? 'ADDED' : 'MODIFIED';
    this.#tell({ rv, type, resource, object, ...(old === undefined ? {} : { old }) });
  }

  #remove(resource: ResourceName, object: AnyObject, rv: number): void {
    const { namespace, name } = object.metadata;
    const old = this.#table(resource).get(keyOf(namespace, name));
    this.#table(resource).delete(keyOf(namespace, name));
    this.#tell({ rv, type: 'DELETED', resource, object, ...(old === undefined ? {} : { old }) });
  }

  #tell(event: StoreEvent): void {
    const change = { ...event, at: Date.now() };
    for (const listener of this.#listeners) listener(change);
  }

  #table(resource: ResourceName): Map<string, AnyObject> {
    const table = this.#objects.get(resource) ?? new Map<string, AnyObject>();
    this.#objects.set(resource, table);
    return table;
  }
}

/** Undefined for half a line, which is how a broken connection ends. */
function parse(line: string): WatchLine | undefined {
  try {
    return JSON.parse(line) as WatchLine;
  } catch {
    return undefined;
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}
