import { describe, expect, it } from '@jest/globals';
import type { HttpReply, HttpRequest } from '../../../../src/shared/kubernetes/http-message.ts';
import { SharedReads } from '../../../../src/shared/kubernetes/shared-reads.ts';
import { FakeClock, flushPromises } from '../../../fake-clock.ts';
import { type Call, reply, type ScriptedServer, serve } from './api-server.ts';
import { until } from '../../../until.ts';

const lease = { method: 'GET', path: '/leases/a', deadlineMs: 5000 } as const;
const write = { method: 'PATCH', path: '/leases/a', body: '{}', deadlineMs: 5000 } as const;

/** Answers with a version that grows with every write, as it is when the answer is given. */
class Store {
  version = 1;

  answer(call: Call): void {
    if (call.method !== 'GET') this.version += 1;
    reply(call, 200, { version: this.version });
  }
}

function versions(answers: readonly HttpReply[]): readonly unknown[] {
  return answers.map(({ body }) => (JSON.parse(body) as { readonly version: unknown }).version);
}

function gets({ calls }: ScriptedServer): number {
  return calls.filter(({ method }) => method === 'GET').length;
}

describe('SharedReads', () => {
  it('lets all who wait for the rate limit share one GET, which is younger than any question', async () => {
    const store = new Store();
    await using api = await serve((call) => store.answer(call));
    const reads = new SharedReads(api.transport({ limit: { perSecond: 10, burst: 1 } }));
    await reads.request(write);
    const early = [1, 2, 3].map(() => reads.request(lease));
    // A write that somebody else finished before the last of them asked.
    store.version = 7;
    const late = reads.request(lease);
    expect(versions(await Promise.all([...early, late]))).toEqual([7, 7, 7, 7]);
    expect(gets(api)).toBe(1);
  });

  it('lets those share who ask in the same breath when there is nothing to wait for', async () => {
    const store = new Store();
    await using api = await serve((call) => store.answer(call));
    const reads = new SharedReads(api.transport());
    const answers = await Promise.all([1, 2, 3].map(() => reads.request(lease)));
    expect(versions(answers)).toEqual([1, 1, 1]);
    expect(gets(api)).toBe(1);
  });

  it('never gives the answer of a GET that had left to somebody who asked after it', async () => {
    const held: Call[] = [];
    await using api = await serve((call) => void held.push(call));
    const reads = new SharedReads(api.transport());
    const first = reads.request(lease);
    await until(() => held.length === 1);
    const second = reads.request(lease);
    await until(() => held.length === 2);
    for (const [index, call] of held.entries()) reply(call, 200, { version: index + 1 });
    expect(versions(await Promise.all([first, second]))).toEqual([1, 2]);
  });

  it('lets nobody join between two attempts of one GET', async () => {
    const store = new Store();
    let refused = 0;
    await using api = await serve((call, index) => {
      if (index === 0) {
        refused += 1;
        reply(call, 503, {});
      } else store.answer(call);
    });
    const reads = new SharedReads(api.transport());
    const first = reads.request(lease);
    await until(() => refused === 1);
    const second = reads.request(lease);
    const third = reads.request(lease);
    expect(versions(await Promise.all([first, second, third]))).toEqual([1, 1, 1]);
    // The first one twice, and one for the two that came after it had left.
    expect(gets(api)).toBe(3);
  });

  it('goes on sharing a read that waits while an older one is sent again', async () => {
    const asked: HttpRequest[] = [];
    const reads = new SharedReads({
      request: (request) => {
        asked.push(request);
        return new Promise(() => undefined);
      },
    });
    void reads.request(lease);
    await flushPromises();
    asked[0]?.onSend?.();
    void reads.request(lease);
    await flushPromises();
    asked[0]?.onSend?.();
    void reads.request(lease);
    await flushPromises();
    expect(asked).toHaveLength(2);
  });

  it('lets the writes of the same rank go first, and those of the next one not', async () => {
    const store = new Store();
    await using api = await serve((call) => store.answer(call));
    const clock = new FakeClock();
    const reads = new SharedReads(api.transport({ clock, limit: { perSecond: 1, burst: 1 } }));
    await reads.request(write);
    const read = reads.request(lease);
    await flushPromises();
    const all = Promise.all([reads.request({ ...write, rank: 1 }), reads.request(write), read]);
    for (const count of [2, 3, 4]) {
      // They come to the server on connections of their own: the next one when this one is there.
      await clock.advance(1_000);
      await until(() => api.calls.length === count);
    }
    await all;
    expect(api.calls.map(({ method }) => method)).toEqual(['PATCH', 'PATCH', 'GET', 'PATCH']);
  });

  it('shares no write, no list and no read of another object', async () => {
    const store = new Store();
    await using api = await serve((call) => store.answer(call));
    const reads = new SharedReads(api.transport());
    const list = { ...lease, query: { labelSelector: 'a=b' } };
    await Promise.all(
      [write, write, list, list, { ...lease, path: '/leases/b' }, lease].map((request) =>
        reads.request(request),
      ),
    );
    expect(api.calls).toHaveLength(6);
  });

  it('tells all of them that none could leave, and asks anew for the next', async () => {
    const store = new Store();
    await using api = await serve((call) => store.answer(call));
    const reads = new SharedReads(api.transport({ limit: { perSecond: 2, burst: 1 } }));
    await reads.request(write);
    const hurried = { ...lease, deadlineMs: 20 };
    const none = await Promise.all([reads.request(hurried), reads.request(hurried)]);
    expect(none.map(({ status }) => status)).toEqual([0, 0]);
    expect(versions([await reads.request(lease)])).toEqual([2]);
  });
});
