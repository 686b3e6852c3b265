import { describe, expect, it } from '@jest/globals';
import { collectionPath } from '../../src/shared/kubernetes/client.ts';
import { leaseView } from '../../src/shared/kubernetes/convert.ts';
import { Reflector } from '../../src/shared/kubernetes/reflector.ts';
import { Transport } from '../../src/shared/kubernetes/transport.ts';
import { keyOf, type LeaseView } from '../../src/shared/model.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import type { WatchFact } from '../../src/shared/watch-fact.ts';
import { type ApiServer, startApiServer } from '../double/api-server.ts';
import { Store } from '../model/store.ts';
import { silentLog } from '../silent-log.ts';
import { apiServerAt, until } from '../unit/shared/kubernetes/api-server.ts';

/** What somebody knows who only listens to the facts, and whether the facts contradicted it. */
class Listener {
  readonly objects = new Map<string, LeaseView>();
  readonly kinds: string[] = [];
  readonly contradictions: string[] = [];
  lost = false;

  take(fact: WatchFact<LeaseView>): void {
    this.kinds.push(fact.kind);
    switch (fact.kind) {
      case 'Replaced':
        this.objects.clear();
        for (const object of fact.objects) this.objects.set(keyOf(object), object);
        this.lost = false;
        break;
      case 'Upserted': {
        const known = this.objects.get(keyOf(fact.object));
        if (known !== undefined && known.uid !== fact.object.uid) {
          this.contradictions.push(`${fact.object.name} replaced without being removed`);
        }
        this.objects.set(keyOf(fact.object), fact.object);
        break;
      }
      case 'Removed':
        if (this.objects.get(keyOf(fact))?.uid !== fact.uid) {
          this.contradictions.push(`${fact.name} removed, but it was not there`);
        }
        this.objects.delete(keyOf(fact));
        break;
      case 'WatchLost':
        this.lost = true;
        break;
      case 'WatchResumed':
        this.lost = false;
        break;
      case 'WatchAlive':
        break;
    }
  }

  /** name to uid and version. */
  get contents(): Record<string, string> {
    return Object.fromEntries(
      [...this.objects].map(([key, { uid, resourceVersion }]) => [
        key,
        `${uid}@${resourceVersion}`,
      ]),
    );
  }
}

class Cluster implements AsyncDisposable {
  readonly store: Store;
  readonly listener = new Listener();
  readonly api: ApiServer;
  readonly #transport: Transport;
  readonly #reflector: Reflector<LeaseView>;

  static async start(watchLists: boolean, pageSize = 3): Promise<Cluster> {
    const store = new Store({ wallTime: () => Date.now() });
    const api = await startApiServer({ store, bookmarkIntervalMs: 50 });
    api.watchListSupported = watchLists;
    return new Cluster(store, api, pageSize);
  }

  private constructor(store: Store, api: ApiServer, pageSize: number) {
    this.store = store;
    this.api = api;
    this.#transport = new Transport({
      server: apiServerAt(api.url),
      clock: systemClock,
      random: Math.random,
      limit: undefined,
    });
    this.#reflector = new Reflector<LeaseView>({
      transport: this.#transport,
      path: collectionPath('leases', ''),
      query: { labelSelector: 'watched=yes' },
      source: 'leases',
      project: leaseView,
      post: (fact) => this.listener.take(fact),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      settings: {
        pageSize,
        openMs: 300,
        listMs: 300,
        silenceMs: 300,
        backoff: { minMs: 5, maxMs: 40, goodAfterMs: 10_000 },
      },
    });
  }

  create(name: string, watched = 'yes'): void {
    const metadata = { namespace: 'ns', name, labels: { watched } };
    this.store.create('leases', { metadata, spec: { holderIdentity: 'first' } });
  }

  renew(name: string, holderIdentity: string): void {
    this.store.patch('leases', { namespace: 'ns', name }, { spec: { holderIdentity } });
  }

  delete(name: string): void {
    this.store.delete('leases', { namespace: 'ns', name }, {});
  }

  begin(): void {
    this.#reflector.start();
  }

  /** Waits until the listener knows exactly what is stored. */
  async converged(): Promise<void> {
    const stored = (): Record<string, string> =>
      Object.fromEntries(
        this.store
          .list('leases', { labelSelector: 'watched=yes' })
          .items.map(({ metadata }) => [
            `${metadata.namespace}/${metadata.name}`,
            `${metadata.uid}@${metadata.resourceVersion}`,
          ]),
      );
    await until(() => {
      const same =
        JSON.stringify(sorted(stored())) === JSON.stringify(sorted(this.listener.contents));
      return same && !this.listener.lost && this.listener.kinds.length > 0;
    }, 5000);
    expect(this.listener.contradictions).toEqual([]);
  }

  /** Waits until a watch is open, too: with paged lists it comes after the list. */
  async watching(): Promise<void> {
    await this.converged();
    await until(() => this.api.watchCount === 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reflector.stop();
    this.#transport.close();
    await this.api[Symbol.asyncDispose]();
  }
}

function sorted(record: Record<string, string>): [string, string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

describe.each([
  ['with watch-list', true],
  ['with paged lists', false],
])('a reflector %s', (_, watchLists) => {
  it('knows what is stored, and hears of each change', async () => {
    await using cluster = await Cluster.start(watchLists);
    for (let i = 0; i < 8; i += 1) cluster.create(`l-${i}`);
    cluster.create('other', 'no');
    cluster.begin();
    await cluster.converged();
    expect(cluster.listener.objects.size).toBe(8);
    cluster.renew('l-1', 'second');
    cluster.create('late');
    cluster.delete('l-2');
    await cluster.converged();
    expect(cluster.listener.objects.get('ns/l-1')?.holder).toBe('second');
    expect(cluster.listener.kinds.filter((kind) => kind === 'Replaced')).toHaveLength(1);
  });

  it('hears bookmarks while nothing happens', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.begin();
    await until(() => cluster.listener.kinds.filter((kind) => kind === 'WatchAlive').length >= 3);
    expect(cluster.listener.kinds).not.toContain('WatchLost');
  });

  it('goes on where it broke, and misses nothing', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.create('a');
    cluster.begin();
    await cluster.watching();
    cluster.api.dropWatches();
    cluster.delete('a');
    cluster.create('a');
    await cluster.converged();
    const { kinds } = cluster.listener;
    expect(kinds.filter((kind) => kind === 'Replaced')).toHaveLength(1);
    expect(kinds).toContain('WatchResumed');
  });

  it('lists anew when its version was compacted away', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.create('a');
    cluster.begin();
    await cluster.watching();
    await cluster.api.refuse(true);
    cluster.delete('a');
    for (let i = 0; i < 5; i += 1) cluster.create(`b-${i}`);
    cluster.store.compact(cluster.store.resourceVersion);
    await cluster.api.refuse(false);
    await cluster.converged();
    expect(cluster.listener.kinds.filter((kind) => kind === 'Replaced').length).toBeGreaterThan(1);
  });

  it('leaves a server that hangs, and comes back to it', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.create('a');
    cluster.begin();
    await cluster.watching();
    cluster.api.hang(true);
    await until(() => cluster.listener.lost);
    cluster.create('b');
    cluster.api.hang(false);
    await cluster.converged();
  });

  it('lists anew after a line that nobody can read', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.create('a');
    cluster.begin();
    await cluster.watching();
    cluster.api.injectIntoWatches('{"type":"MODIFIED","object":{"meta\n');
    await until(() => cluster.listener.kinds.filter((kind) => kind === 'Replaced').length === 2);
    cluster.create('b');
    await cluster.converged();
  });

  it('survives whatever a bad day brings, and ends up with the truth', async () => {
    await using cluster = await Cluster.start(watchLists);
    cluster.begin();
    const troubles = [
      () => cluster.api.dropWatches(),
      () => cluster.api.injectIntoWatches('garbage\n'),
      () => cluster.api.expirePages(),
      () => cluster.store.compact(cluster.store.resourceVersion - 3),
      () => cluster.api.respond429(2, 0),
      () => cluster.api.injectIntoWatches('{"type":"ERROR","object":{"code":500}}\n'),
    ];
    for (let i = 0; i < 60; i += 1) {
      const name = `l-${i % 10}`;
      if (i % 3 === 0) cluster.delete(name);
      if (cluster.store.find('leases', name, 'ns') === undefined) cluster.create(name);
      else cluster.renew(name, String(i));
      if (i % 4 === 0) troubles[(i / 4) % troubles.length]?.();
      await systemClock.sleep(4);
    }
    await cluster.converged();
  });
});
