/** The product's reflector against any API server, with a way to it that fails. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collectionPath } from '../../src/shared/kubernetes/client.ts';
import { leaseView } from '../../src/shared/kubernetes/convert.ts';
import { Reflector } from '../../src/shared/kubernetes/reflector.ts';
import type { ReflectorSettings } from '../../src/shared/kubernetes/reflector-settings.ts';
import { Transport } from '../../src/shared/kubernetes/transport.ts';
import { keyOf, type LeaseView } from '../../src/shared/model.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import type { WatchFact } from '../../src/shared/watch-fact.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { silentLog } from '../silent-log.ts';
import { apiServerAt } from '../unit/shared/kubernetes/api-server.ts';
import type { Contender } from './api-suite.ts';
import { Front } from './front.ts';

/** What somebody knows who only listens to the facts, and whether the facts contradicted it. */
class Listener {
  readonly objects = new Map<string, LeaseView>();
  readonly kinds: string[] = [];
  readonly contradictions: string[] = [];
  /** Why the watch was lost, each time. */
  readonly losses: string[] = [];
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
        this.losses.push(fact.reason);
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

/** One reflector of the leases of one namespace, and what is needed to trouble it. */
class Watched implements AsyncDisposable {
  readonly listener = new Listener();
  readonly front: Front;
  readonly #api: ApiClient;
  readonly #namespace: string;
  readonly #transport: Transport;
  readonly #reflector: Reflector<LeaseView>;

  static async start(
    { access }: Contender,
    namespace: string,
    settings: Partial<ReflectorSettings>,
  ): Promise<Watched> {
    const front = await Front.start(access);
    const api = new ApiClient(access);
    await api.create('namespaces', { metadata: { name: namespace } });
    return new Watched(front, api, namespace, settings);
  }

  private constructor(
    front: Front,
    api: ApiClient,
    namespace: string,
    settings: Partial<ReflectorSettings>,
  ) {
    this.front = front;
    this.#api = api;
    this.#namespace = namespace;
    this.#transport = new Transport({
      server: apiServerAt(front.url),
      clock: systemClock,
      random: Math.random,
      limit: undefined,
    });
    this.#reflector = new Reflector<LeaseView>({
      transport: this.#transport,
      path: collectionPath('leases', namespace),
      query: { labelSelector: 'watched=yes' },
      source: 'leases',
      project: leaseView,
      post: (fact) => this.listener.take(fact),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      settings: {
        pageSize: 3,
        backoff: { minMs: 5, maxMs: 40, goodAfterMs: 10_000 },
        ...settings,
      },
    });
  }

  async create(name: string, watched = 'yes'): Promise<void> {
    const metadata = { namespace: this.#namespace, name, labels: { watched } };
    await this.#api.create('leases', { metadata, spec: { holderIdentity: 'first' } });
  }

  async renew(name: string, holderIdentity: string): Promise<void> {
    const place = { namespace: this.#namespace, name };
    await this.#api.patch('leases', place, { spec: { holderIdentity } });
  }

  async delete(name: string): Promise<void> {
    await this.#api.delete(
      'leases',
      { namespace: this.#namespace, name },
      { gracePeriodSeconds: 0 },
    );
  }

  async has(name: string): Promise<boolean> {
    const place = { namespace: this.#namespace, name };
    return (await this.#api.get('leases', place)).status === 200;
  }

  begin(): void {
    this.#reflector.start();
  }

  kinds(kind: WatchFact['kind']): number {
    return this.listener.kinds.filter((one) => one === kind).length;
  }

  /** Signs of life that no new watch gave; at least so many. */
  get bookmarks(): number {
    return this.kinds('WatchAlive') - this.front.opened;
  }

  /** Waits until the listener knows exactly what is stored. */
  async converged(): Promise<void> {
    const query = { namespace: this.#namespace, labelSelector: 'watched=yes' };
    await eventually(
      async () => {
        const stored = Object.fromEntries(
          ((await this.#api.list('leases', query)) ?? []).map(({ metadata }) => [
            `${metadata.namespace}/${metadata.name}`,
            `${metadata.uid}@${metadata.resourceVersion}`,
          ]),
        );
        const { contents, lost, kinds } = this.listener;
        const same = JSON.stringify(sorted(stored)) === JSON.stringify(sorted(contents));
        return same && !lost && kinds.length > 0;
      },
      { what: 'the reflector to know what is stored', withinMs: 20_000, everyMs: 10 },
    );
    expect(this.listener.contradictions).toEqual([]);
  }

  /** Waits until a watch is open, too: with paged lists it comes after the list. */
  async watching(): Promise<void> {
    await this.converged();
    await eventually(() => this.front.watchCount === 1, { what: 'one open watch', everyMs: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reflector.stop();
    this.#transport.close();
    this.#api.close();
    await this.front[Symbol.asyncDispose]();
  }
}

function sorted(record: Record<string, string>): [string, string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `settings`: how patient the reflector is with this server. */
export function reflectorSuite(
  open: () => Promise<Contender>,
  settings: Partial<ReflectorSettings>,
): void {
  let contender: Contender;
  let tests = 0;

  beforeAll(async () => {
    contender = await open();
  }, 120_000);
  afterAll(async () => contender?.[Symbol.asyncDispose](), 60_000);

  async function start(watchLists: boolean): Promise<Watched> {
    tests += 1;
    const watched = await Watched.start(contender, `reflector-${tests}`, settings);
    watched.front.watchListSupported = watchLists;
    return watched;
  }

  describe.each([
    ['with watch-list', true],
    ['with paged lists', false],
  ])('a reflector %s', (_, watchLists) => {
    it('knows what is stored, and hears of each change', async () => {
      await using watched = await start(watchLists);
      for (let i = 0; i < 8; i += 1) await watched.create(`l-${i}`);
      await watched.create('other', 'no');
      watched.begin();
      await watched.converged();
      expect(watched.listener.objects.size).toBe(8);
      await watched.renew('l-1', 'second');
      await watched.create('late');
      await watched.delete('l-2');
      await watched.converged();
      const holders = [...watched.listener.objects.values()].map(({ holder }) => holder);
      expect(holders).toContain('second');
      expect(watched.kinds('Replaced')).toBe(1);
    }, 30_000);

    it('hears bookmarks while what it watches stays as it is', async () => {
      await using watched = await start(watchLists);
      await watched.create('other', 'no');
      watched.begin();
      await watched.watching();
      await eventually(
        async () => {
          // Of a collection that stays as it was there is none (apiserver cache_watcher.go: process).
          await watched.renew('other', `for the ${watched.kinds('WatchAlive')}th time`);
          return watched.bookmarks >= 2;
        },
        { what: 'bookmarks', withinMs: 30_000, everyMs: 250 },
      );
      expect(watched.listener.objects.size).toBe(0);
      expect(watched.listener.losses).toEqual([]);
    }, 40_000);

    it('goes on where it broke, and misses nothing', async () => {
      await using watched = await start(watchLists);
      await watched.create('a');
      watched.begin();
      await watched.watching();
      watched.front.dropWatches();
      await watched.delete('a');
      await watched.create('a');
      await watched.converged();
      expect(watched.kinds('Replaced')).toBe(1);
      expect(watched.kinds('WatchResumed')).toBe(1);
    }, 30_000);

    it('lists anew when its version was compacted away', async () => {
      await using watched = await start(watchLists);
      await watched.create('a');
      watched.begin();
      await watched.watching();
      await watched.front.refuse(true);
      await watched.delete('a');
      for (let i = 0; i < 5; i += 1) await watched.create(`b-${i}`);
      await contender.forget();
      await watched.front.refuse(false);
      await watched.converged();
      expect(watched.kinds('Replaced')).toBeGreaterThan(1);
    }, 60_000);

    it('leaves a server that hangs, and comes back to it', async () => {
      await using watched = await start(watchLists);
      await watched.create('a');
      watched.begin();
      await watched.watching();
      watched.front.hang(true);
      await eventually(() => watched.listener.lost, { what: 'a loss', withinMs: 30_000 });
      await watched.create('b');
      watched.front.hang(false);
      await watched.converged();
    }, 60_000);

    it('lists anew after a line that nobody can read', async () => {
      await using watched = await start(watchLists);
      await watched.create('a');
      watched.begin();
      await watched.watching();
      watched.front.inject('{"type":"MODIFIED","object":{"meta\n');
      await eventually(() => watched.kinds('Replaced') === 2, { what: 'another list' });
      await watched.create('b');
      await watched.converged();
    }, 30_000);

    it('survives whatever a bad day brings, and ends up with the truth', async () => {
      await using watched = await start(watchLists);
      const { front } = watched;
      watched.begin();
      const troubles = [
        () => front.dropWatches(),
        () => front.inject('garbage\n'),
        () => front.expirePage(),
        () => front.respond429(2),
        () => front.inject('{"type":"ERROR","object":{"code":410,"reason":"Expired"}}\n'),
        () => front.inject('{"type":"ERROR","object":{"code":500}}\n'),
      ];
      for (let i = 0; i < 60; i += 1) {
        const name = `l-${i % 10}`;
        if (i % 3 === 0) await watched.delete(name);
        if (await watched.has(name)) await watched.renew(name, String(i));
        else await watched.create(name);
        if (i % 4 === 0) troubles[(i / 4) % troubles.length]?.();
        await systemClock.sleep(4);
      }
      await watched.converged();
    }, 60_000);
  });
}
