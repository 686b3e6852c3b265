/** Watches of the double over real HTTP. */
import { get as httpGet, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import { type ApiServer, startApiServer } from '../../double/api-server.ts';
import { Store } from '../../model/store.ts';

interface Line {
  readonly type: string;
  readonly object: JsonObject & { readonly metadata: { readonly name: string } };
}

/** An open watch, read line by line. */
class Watch {
  readonly #lines: AsyncIterator<string>;
  readonly response: IncomingMessage;

  constructor(response: IncomingMessage) {
    this.response = response;
    response.on('error', () => {});
    this.#lines = createInterface({ input: response })[Symbol.asyncIterator]();
  }

  /** Undefined at the end of the stream. */
  async next(): Promise<Line | undefined> {
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(value as string) as Line);
  }

  async take(count: number): Promise<readonly string[]> {
    const seen: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const line = await this.next();
      seen.push(`${line?.type} ${line?.object.metadata.name}`);
    }
    return seen;
  }
}

async function watch(server: ApiServer, query: string): Promise<Watch> {
  return await new Promise((resolve, reject) => {
    httpGet(`${server.url}/api/v1/pods?watch=true&${query}`, { agent: false }, (response) =>
      resolve(new Watch(response)),
    ).on('error', reject);
  });
}

function storeWith(...names: readonly string[]): Store {
  const store = new Store({ wallTime: () => Date.UTC(2026, 0, 1) });
  for (const name of names) addPod(store, name);
  return store;
}

function addPod(store: Store, name: string, labels: JsonObject = {}): void {
  store.create('pods', { metadata: { name, namespace: 'default', labels }, spec: {} });
}

function label(store: Store, name: string, labels: JsonObject): void {
  store.patch('pods', { namespace: 'default', name }, { metadata: { labels } });
}

describe('watch', () => {
  it('goes on from a resource version, then follows', async () => {
    const store = storeWith('a');
    const since = store.resourceVersion;
    addPod(store, 'b');
    await using server = await startApiServer({ store });
    const stream = await watch(server, `resourceVersion=${since}`);
    label(store, 'a', { x: 'y' });
    store.delete('pods', { namespace: 'default', name: 'b' });
    const seen = ['ADDED b', 'MODIFIED a', 'MODIFIED b', 'DELETED b'];
    expect(await stream.take(4)).toStrictEqual(seen);
  });

  it('shows objects that enter and leave the selection as added and deleted', async () => {
    const store = storeWith('a');
    await using server = await startApiServer({ store });
    const query = `labelSelector=on%3Dyes&resourceVersion=${store.resourceVersion}`;
    const stream = await watch(server, query);
    label(store, 'a', { on: 'yes' });
    label(store, 'a', { more: 'x' });
    label(store, 'a', { on: 'no' });
    label(store, 'a', { more: 'y' });
    label(store, 'a', { on: 'yes' });
    expect(await stream.take(4)).toStrictEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED a']);
  });

  it('says 410 as an ERROR event when the version was compacted away, and ends', async () => {
    const store = storeWith('a', 'b');
    await using server = await startApiServer({ store });
    store.compact(store.resourceVersion);
    const stream = await watch(server, `resourceVersion=${store.resourceVersion - 1}`);
    const line = await stream.next();
    expect(line).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    expect(await stream.next()).toBeUndefined();
  });

  it('sends initial events, the bookmark that ends them, and what follows', async () => {
    const store = storeWith('a', 'b');
    await using server = await startApiServer({ store });
    const query =
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const stream = await watch(server, query);
    expect(await stream.take(2)).toStrictEqual(['ADDED a', 'ADDED b']);
    const mark = await stream.next();
    expect(mark).toMatchObject({
      type: 'BOOKMARK',
      object: {
        kind: 'Pod',
        metadata: {
          resourceVersion: String(store.resourceVersion),
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      },
    });
    addPod(store, 'c');
    expect(await stream.take(1)).toStrictEqual(['ADDED c']);
  });

  it('refuses watch-list with 422 where the feature is off', async () => {
    await using server = await startApiServer({ store: storeWith() });
    server.watchListSupported = false;
    const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
    expect((await watch(server, query)).response.statusCode).toBe(422);
  });

  it('sends bookmarks at its interval, only to those who allow them', async () => {
    const store = storeWith();
    await using server = await startApiServer({ store, bookmarkIntervalMs: 20 });
    const since = `resourceVersion=${store.resourceVersion}`;
    const plain = await watch(server, since);
    const marked = await watch(server, `${since}&allowWatchBookmarks=true`);
    expect((await marked.next())?.type).toBe('BOOKMARK');
    addPod(store, 'a');
    expect(await plain.take(1)).toStrictEqual(['ADDED a']);
  });

  it('ends in order after timeoutSeconds', async () => {
    await using server = await startApiServer({ store: storeWith() });
    const stream = await watch(server, 'timeoutSeconds=1');
    expect(await stream.next()).toBeUndefined();
    expect(stream.response.complete).toBe(true);
    expect(server.watchCount).toBe(0);
  });

  it('breaks all watches when told to', async () => {
    await using server = await startApiServer({ store: storeWith() });
    const stream = await watch(server, '');
    const broken = new Promise((resolve) => stream.response.once('close', resolve));
    server.dropWatches();
    await broken;
    expect(stream.response.complete).toBe(false);
  });

  it('falls silent without an end while the server hangs', async () => {
    const store = storeWith();
    await using server = await startApiServer({ store });
    const stream = await watch(server, '');
    server.hang(true);
    addPod(store, 'a');
    const silent = new Promise((resolve) => setTimeout(resolve, 100, 'silent'));
    expect(await Promise.race([stream.next(), silent])).toBe('silent');
    expect(stream.response.destroyed).toBe(false);
  });
});
