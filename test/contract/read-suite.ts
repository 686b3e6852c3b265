import { describe, expect, it } from '@jest/globals';
import type { Listed } from '../machine/api-client.ts';
import type { Lease, Pod } from '../model/objects.ts';
import { type Answer, type ApiVisitor, leaseBody, podBody } from './api-visitor.ts';

/** Lists and watches. */
export function readSuite(visitor: ApiVisitor, forget: () => Promise<void>): void {
  describe('lists', () => {
    it('select by labels in every form', async () => {
      await visitor.make(visitor.leases(), leaseBody('a', { app: 'x', tier: 'one' }));
      await visitor.make(visitor.leases(), leaseBody('b', { app: 'y' }));
      await visitor.make(visitor.leases(), leaseBody('c'));
      const names = async (labelSelector: string): Promise<readonly string[]> => {
        const query = new URLSearchParams({ labelSelector }).toString();
        const { object } = await visitor.api.call<Listed<Lease>>(
          'GET',
          `${visitor.leases()}?${query}`,
        );
        return (object?.items ?? []).map(({ metadata }) => metadata.name);
      };
      expect(await names('app=x')).toEqual(['a']);
      expect(await names('app!=x')).toEqual(['b', 'c']);
      expect(await names('app in (x,y),!tier')).toEqual(['b']);
      expect(await names('app notin (x)')).toEqual(['b', 'c']);
      expect(await names('tier')).toEqual(['a']);
      const bad = new URLSearchParams({ labelSelector: 'a b' }).toString();
      expect((await visitor.call('GET', `${visitor.leases()}?${bad}`)).status).toBe(400);
    });

    it('select by name and by a pod’s node; other fields are refused', async () => {
      await visitor.make(visitor.pods(), podBody('p', {}, { nodeName: 'nobody' }));
      await visitor.make(visitor.pods(), podBody('q'));
      const names = async (fieldSelector: string): Promise<readonly string[]> =>
        (
          (await visitor.api.list('pods', { namespace: visitor.namespace, fieldSelector })) ?? []
        ).map(({ metadata }) => metadata.name);
      expect(await names('spec.nodeName=nobody')).toEqual(['p']);
      expect(await names('metadata.name=q')).toEqual(['q']);
      expect(
        (await visitor.call('GET', `${visitor.pods()}?fieldSelector=spec.imaginary=1`)).status,
      ).toBe(400);
    });

    it('refuse a limit that is no number, and a token that is none', async () => {
      expect((await visitor.call('GET', `${visitor.leases()}?limit=abc`)).status).toBe(400);
      expect((await visitor.call('GET', `${visitor.leases()}?continue=garbage`)).status).toBe(400);
    });

    it('come in pages that show one moment', async () => {
      for (const name of ['a', 'b', 'c']) await visitor.make(visitor.leases(), leaseBody(name));
      const page = async (query: string): Promise<Page> => {
        const { object } = await visitor.api.call<Page>(
          'GET',
          `${visitor.leases()}?limit=2${query}`,
        );
        if (object === undefined) throw new Error('no page');
        return object;
      };
      const first = await page('');
      await visitor.make(visitor.leases(), leaseBody('d'));
      const second = await page(`&continue=${first.metadata.continue}`);
      expect(first.metadata.remainingItemCount).toBe(1);
      expect(second.items.map(({ metadata }) => metadata.name)).toEqual(['c']);
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
      expect(second.metadata.continue ?? '').toBe('');
    });
  });

  describe('watches', () => {
    it('go on from a version and miss nothing', async () => {
      const first = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      await visitor.call('PATCH', visitor.leases('a'), { metadata: { labels: { x: 'y' } } });
      await visitor.call('DELETE', visitor.leases('a'));
      const { resourceVersion } = first.metadata;
      const events = await visitor.watchLeases(
        { resourceVersion },
        (all) => all.length === 3,
        () => visitor.make(visitor.leases(), leaseBody('b')),
      );
      expect(events.map(({ type }) => type)).toEqual(['MODIFIED', 'DELETED', 'ADDED']);
      const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
      expect(events[1]?.object.metadata.uid).toBe(first.metadata.uid);
    });

    it('show what enters or leaves the selection as added or deleted', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'seen=yes' };
      const label = (seen: string): Promise<Answer> =>
        visitor.call('PATCH', visitor.leases('a'), { metadata: { labels: { seen } } });
      const events = await visitor.watchLeases(
        query,
        (all) => all.length === 2,
        async () => {
          await label('yes');
          await label('no');
        },
      );
      expect(events.map(({ type }) => type)).toEqual(['ADDED', 'DELETED']);
      expect(events[1]?.object.metadata.labels).toEqual({ seen: 'yes' });
    });

    it('show the last state that was stored as the deleted one', async () => {
      const metadata = { name: 'a', finalizers: ['x.test/one'] };
      const made = await visitor.make<Lease>(visitor.leases(), { metadata, spec: {} });
      const { resourceVersion } = made.metadata;
      await visitor.call('DELETE', visitor.leases('a'));
      const last = { metadata: { finalizers: null, annotations: { last: 'word' } } };
      const answer = await visitor.call('PATCH', visitor.leases('a'), last);
      expect(answer.object?.metadata).toMatchObject({ annotations: { last: 'word' } });
      const events = await visitor.watchLeases({ resourceVersion }, (all) => all.length === 2);
      expect(events.map(({ type }) => type)).toEqual(['MODIFIED', 'DELETED']);
      expect(events[1]?.object.metadata).toMatchObject({ finalizers: ['x.test/one'] });
      expect(events[1]?.object.metadata).not.toHaveProperty('annotations');
    });

    it('show a pod as terminating before it goes, though it goes at once', async () => {
      const { metadata } = await visitor.make<Pod>(
        visitor.pods(),
        podBody('p', {}, { nodeName: 'nobody' }),
      );
      await visitor.call('DELETE', visitor.pods('p'), { gracePeriodSeconds: 0 });
      const query = { resourceVersion: metadata.resourceVersion };
      const events = await visitor.watch(visitor.pods(), query, (all) => all.length === 2);
      expect(events.map(({ type }) => type)).toEqual(['MODIFIED', 'DELETED']);
      for (const { object } of events) {
        expect(object.metadata).toMatchObject({ deletionGracePeriodSeconds: 0 });
        expect(object.metadata).toHaveProperty('deletionTimestamp');
      }
    });

    it('send what is there, a bookmark that ends it, and what follows', async () => {
      await visitor.make(visitor.leases(), leaseBody('a'));
      await visitor.make(visitor.leases(), leaseBody('b'));
      const query = {
        sendInitialEvents: 'true',
        resourceVersionMatch: 'NotOlderThan',
        allowWatchBookmarks: 'true',
      };
      let more = false;
      const events = await visitor.watchLeases(query, (all) => {
        if (all.length === 3 && !more) {
          more = true;
          void visitor.make(visitor.leases(), leaseBody('c'));
        }
        return all.length === 4;
      });
      expect(events.map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK', 'ADDED']);
      const mark = events[2]?.object.metadata;
      expect(mark?.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
      expect(Number(mark?.resourceVersion)).toBeGreaterThan(0);
    });

    it('refuse initial events without resourceVersionMatch', async () => {
      const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true';
      expect((await visitor.call('GET', `${visitor.leases()}?${query}`)).status).toBe(422);
    });

    it('end in order when their time is over', async () => {
      const start = performance.now();
      await visitor.watchLeases({ resourceVersion: '0', timeoutSeconds: '1' }, () => false);
      expect(performance.now() - start).toBeLessThan(3_000);
    });

    it('from a version that was forgotten get 410 as an event, and end', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      for (const name of ['b', 'c', 'd']) await visitor.make(visitor.leases(), leaseBody(name));
      await forget();
      const { resourceVersion } = metadata;
      const events = await visitor.watchLeases({ resourceVersion }, () => false);
      expect(events).toMatchObject([{ type: 'ERROR', object: { code: 410, reason: 'Expired' } }]);
    }, 60_000);
  });
}

interface Page extends Listed<Lease> {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
}
