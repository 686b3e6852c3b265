import type { JsonObject } from '../../src/shared/effect.ts';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiClient, type Listed, type Method, pathOf } from '../machine/api-client.ts';
import type { AnyObject, Lease } from '../model/objects.ts';

export type Answer = Awaited<ReturnType<ApiClient['call']>> & {
  readonly object: JsonObject | undefined;
};

export interface WatchEvent {
  readonly type: string;
  readonly object: AnyObject;
}

/** A uid that no object has. */
export const foreignUid = '00000000-0000-4000-8000-00000000ffff';

/** Somebody who may do everything, in a namespace of his own: what the tests of an API speak with. */
export class ApiVisitor {
  namespace = '';
  #api: ApiClient | undefined;

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error('the visitor has not arrived');
    return this.#api;
  }

  arrive(access: ApiAccess): void {
    this.#api = new ApiClient(access, 20_000);
  }

  leave(): void {
    this.#api?.close();
  }

  async moveTo(namespace: string): Promise<void> {
    this.namespace = namespace;
    await this.api.create('namespaces', { metadata: { name: namespace } });
  }

  async call(method: Method, path: string, body?: JsonObject): Promise<Answer> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return (await this.api.call(method, path, body, type)) as Answer;
  }

  /** Creates what must be there for a test. */
  async make<T extends AnyObject>(path: string, body: JsonObject): Promise<T> {
    const answer = await this.call('POST', path, body);
    if (answer.object === undefined) throw new Error(`${path}: ${answer.status} ${answer.message}`);
    return answer.object as unknown as T;
  }

  leases(name = ''): string {
    return pathOf('leases', this.namespace, name);
  }

  pods(name = ''): string {
    return pathOf('pods', this.namespace, name);
  }

  /** The names of the leases that a list answers. */
  async leaseNames(query: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const path = `${this.leases()}?${new URLSearchParams(query).toString()}`;
    const { object } = await this.api.call<Listed<Lease>>('GET', path);
    return (object?.items ?? []).map(({ metadata }) => metadata.name);
  }

  watchLeases(
    query: Readonly<Record<string, string>>,
    enough: (events: readonly WatchEvent[]) => boolean,
    meanwhile?: () => Promise<unknown>,
  ): Promise<readonly WatchEvent[]> {
    return this.watch(this.leases(), query, enough, meanwhile);
  }

  /** Events of a watch until `enough`, or until it ends, or for five seconds. */
  async watch(
    path: string,
    query: Readonly<Record<string, string>>,
    enough: (events: readonly WatchEvent[]) => boolean,
    meanwhile: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<readonly WatchEvent[]> {
    const events: WatchEvent[] = [];
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), 5_000);
    const search = new URLSearchParams({ watch: 'true', ...query }).toString();
    const following = this.api.follow(`${path}?${search}`, end.signal, (line) => {
      events.push(JSON.parse(line) as WatchEvent);
      if (enough(events)) end.abort();
    });
    await meanwhile();
    await following;
    clearTimeout(timer);
    return events;
  }
}

export function leaseBody(name: string, labels: Readonly<Record<string, string>> = {}): JsonObject {
  return { metadata: { name, labels }, spec: { holderIdentity: 'first' } };
}

export function podBody(
  name: string,
  metadata: JsonObject = {},
  spec: JsonObject = {},
): JsonObject {
  return {
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'main', image: 'example.test/main:1' }], ...spec },
  };
}

export function attachmentBody(name: string): JsonObject {
  return {
    metadata: { name },
    spec: { attacher: 'x.test', nodeName: 'nobody', source: { persistentVolumeName: 'pv' } },
  };
}
