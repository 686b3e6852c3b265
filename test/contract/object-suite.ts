import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../src/shared/effect.ts';
import { pathOf } from '../machine/api-client.ts';
import type { Lease, Node, Pod } from '../model/objects.ts';
import {
  type Answer,
  type ApiVisitor,
  attachmentBody,
  foreignUid,
  podBody,
} from './api-visitor.ts';

/** What is special to some kinds of objects. */
export function objectSuite(visitor: ApiVisitor): void {
  describe('the status subresource', () => {
    it('changes the status, not the spec, and labels and annotations with it', async () => {
      await visitor.make(visitor.pods(), podBody('p', {}, { nodeName: 'nobody' }));
      const main = await visitor.call('PATCH', visitor.pods('p'), { status: { phase: 'Failed' } });
      expect(main.object?.status).not.toMatchObject({ phase: 'Failed' });
      const body = {
        metadata: { labels: { via: 'status' } },
        spec: { activeDeadlineSeconds: 7 },
        status: { phase: 'Failed' },
      };
      const patched = await visitor.call('PATCH', `${visitor.pods('p')}/status`, body);
      expect(patched.status).toBe(200);
      expect(patched.object).toMatchObject({
        metadata: { labels: { via: 'status' } },
        status: { phase: 'Failed' },
      });
      expect(patched.object?.spec).not.toHaveProperty('activeDeadlineSeconds');
    });

    it('of a VolumeAttachment changes nothing but the status', async () => {
      const name = `va-${visitor.namespace}`;
      await visitor.make(pathOf('volumeattachments'), attachmentBody(name));
      const path = pathOf('volumeattachments', '', name);
      const both = { metadata: { annotations: { via: 'status' } }, status: { attached: true } };
      const patched = await visitor.call('PATCH', `${path}/status`, both);
      expect(patched.object).toMatchObject({ status: { attached: true } });
      expect(patched.object?.metadata).not.toHaveProperty('annotations');
      expect(
        (await visitor.call('PATCH', path, { status: { attached: false } })).object,
      ).toMatchObject({
        status: { attached: true },
      });
      await visitor.call('DELETE', path);
    });

    it('replaces volumesInUse and volumesAttached as a whole, also in a strategic patch', async () => {
      const name = `node-${visitor.namespace}`;
      await visitor.make(pathOf('nodes'), { metadata: { name } });
      const path = `${pathOf('nodes', '', name)}/status`;
      const strategic = 'application/strategic-merge-patch+json';
      for (const volume of ['a', 'b']) {
        const volumesAttached = [{ name: volume, devicePath: '' }];
        const status = { volumesInUse: [volume], volumesAttached };
        const { object } = await visitor.api.call('PATCH', path, { status }, strategic);
        expect(object).toMatchObject({ status });
      }
      await visitor.call('DELETE', pathOf('nodes', '', name));
    });

    it('takes the uid in the body as a precondition', async () => {
      const { metadata } = await visitor.make<Pod>(
        visitor.pods(),
        podBody('p', {}, { nodeName: 'nobody' }),
      );
      const fail = (uid: string): Promise<Answer> =>
        visitor.call('PATCH', `${visitor.pods('p')}/status`, {
          metadata: { uid },
          status: { phase: 'Failed' },
        });
      expect((await fail(foreignUid)).status).toBe(422);
      expect((await fail(metadata.uid)).status).toBe(200);
    });
  });

  describe('what never changes', () => {
    it('is the node of a pod, the spec of a VolumeAttachment, the node id of a driver', async () => {
      await visitor.make(visitor.pods(), podBody('p', {}, { nodeName: 'nobody' }));
      expect(
        (await visitor.call('PATCH', visitor.pods('p'), { spec: { nodeName: 'x' } })).status,
      ).toBe(422);
      const name = `never-${visitor.namespace}`;
      await visitor.make(pathOf('volumeattachments'), attachmentBody(name));
      const va = pathOf('volumeattachments', '', name);
      expect((await visitor.call('PATCH', va, { spec: { nodeName: 'x' } })).status).toBe(422);
      await visitor.call('DELETE', va);
      const drivers = (nodeID: string): JsonObject => ({
        spec: { drivers: [{ name: 'x.test', nodeID }] },
      });
      await visitor.make(pathOf('csinodes'), { metadata: { name }, ...drivers('one') });
      const csiNode = pathOf('csinodes', '', name);
      expect((await visitor.call('PATCH', csiNode, drivers('two'))).status).toBe(422);
      expect((await visitor.call('PATCH', csiNode, { spec: { drivers: [] } })).status).toBe(200);
      expect((await visitor.call('PATCH', csiNode, drivers('two'))).status).toBe(200);
      await visitor.call('DELETE', csiNode);
    });
  });

  describe('finalizers', () => {
    it('keep a deleted object, take no new ones, and let it go with the last', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), {
        metadata: { name: 'a', finalizers: ['x.test/one', 'x.test/two'] },
        spec: {},
      });
      const gone = { preconditions: { uid: metadata.uid } };
      const deleted = await visitor.call('DELETE', visitor.leases('a'), gone);
      expect(deleted.status).toBe(200);
      expect(deleted.object?.metadata).toHaveProperty('deletionTimestamp');
      expect((await visitor.call('DELETE', visitor.leases('a'), gone)).status).toBe(200);
      const patch = (finalizers: readonly string[]): Promise<Answer> =>
        visitor.call('PATCH', visitor.leases('a'), { metadata: { finalizers } });
      expect((await patch(['x.test/one', 'x.test/three'])).status).toBe(422);
      expect((await patch(['x.test/two'])).status).toBe(200);
      expect((await visitor.call('GET', visitor.leases('a'))).status).toBe(200);
      expect((await patch([])).status).toBe(200);
      expect((await visitor.call('GET', visitor.leases('a'))).status).toBe(404);
    });
  });

  describe('the end of pods', () => {
    it('is graceful where a node may still run them, and at once with grace 0', async () => {
      const spec = { nodeName: 'nobody', terminationGracePeriodSeconds: 7 };
      await visitor.make(visitor.pods(), podBody('p', {}, spec));
      const soft = await visitor.call('DELETE', visitor.pods('p'));
      expect(soft.object?.metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
      const metadata = soft.object?.metadata as unknown as Pod['metadata'];
      const ahead = Date.parse(metadata.deletionTimestamp ?? '') - Date.now();
      expect(ahead).toBeGreaterThan(4_000);
      expect((await visitor.call('GET', visitor.pods('p'))).status).toBe(200);
      expect(
        (await visitor.call('DELETE', visitor.pods('p'), { gracePeriodSeconds: 0 })).status,
      ).toBe(200);
      expect((await visitor.call('GET', visitor.pods('p'))).status).toBe(404);
    });

    it('that has begun is not hastened by a DELETE that says no grace', async () => {
      await visitor.make(visitor.pods(), podBody('p', {}, { nodeName: 'nobody' }));
      await visitor.call('DELETE', visitor.pods('p'));
      await visitor.call('PATCH', `${visitor.pods('p')}/status`, { status: { phase: 'Failed' } });
      await visitor.call('DELETE', visitor.pods('p'));
      expect((await visitor.call('GET', visitor.pods('p'))).status).toBe(200);
      await visitor.call('DELETE', visitor.pods('p'), { gracePeriodSeconds: 5 });
      const { object } = await visitor.call('GET', visitor.pods('p'));
      expect(object?.metadata).toMatchObject({ deletionGracePeriodSeconds: 5 });
      await visitor.call('DELETE', visitor.pods('p'), { gracePeriodSeconds: 0 });
      expect((await visitor.call('GET', visitor.pods('p'))).status).toBe(404);
    });

    it('is at once without a node or after their end', async () => {
      await visitor.make(visitor.pods(), podBody('unbound'));
      await visitor.call('DELETE', visitor.pods('unbound'));
      expect((await visitor.call('GET', visitor.pods('unbound'))).status).toBe(404);
      await visitor.make(visitor.pods(), podBody('failed', {}, { nodeName: 'nobody' }));
      await visitor.call('PATCH', `${visitor.pods('failed')}/status`, {
        status: { phase: 'Failed' },
      });
      await visitor.call('DELETE', visitor.pods('failed'));
      expect((await visitor.call('GET', visitor.pods('failed'))).status).toBe(404);
    });

    it('waits for finalizers also with grace 0', async () => {
      await visitor.make(
        visitor.pods(),
        podBody('p', { finalizers: ['x.test/one'] }, { nodeName: 'nobody' }),
      );
      await visitor.call('DELETE', visitor.pods('p'), { gracePeriodSeconds: 0 });
      const { object } = await visitor.call('GET', visitor.pods('p'));
      expect(object?.metadata).toMatchObject({ deletionGracePeriodSeconds: 0 });
      await visitor.call('PATCH', visitor.pods('p'), { metadata: { finalizers: null } });
      expect((await visitor.call('GET', visitor.pods('p'))).status).toBe(404);
    });

    it('a binding binds once; an eviction is a graceful deletion', async () => {
      await visitor.make(visitor.pods(), podBody('p'));
      const target = { apiVersion: 'v1', kind: 'Node', name: 'nobody' };
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target };
      expect((await visitor.call('POST', `${visitor.pods('p')}/binding`, binding)).status).toBe(
        201,
      );
      expect((await visitor.call('POST', `${visitor.pods('p')}/binding`, binding)).status).toBe(
        409,
      );
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } };
      expect((await visitor.call('POST', `${visitor.pods('p')}/eviction`, eviction)).status).toBe(
        201,
      );
      const { object } = await visitor.call('GET', visitor.pods('p'));
      expect(object?.metadata).toHaveProperty('deletionTimestamp');
    });
  });

  describe('nodes', () => {
    it('begin as not ready, and take no pods until somebody says otherwise', async () => {
      const name = `node-${visitor.namespace}`;
      const { spec } = await visitor.make<Node>(pathOf('nodes'), { metadata: { name } });
      expect(spec?.taints).toEqual([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
      await visitor.call('DELETE', pathOf('nodes', '', name));
    });

    it('hold each taint once by key and effect', async () => {
      const name = `node-${visitor.namespace}`;
      await visitor.make(pathOf('nodes'), { metadata: { name } });
      const taint = (...taints: readonly JsonObject[]): Promise<Answer> =>
        visitor.call('PATCH', pathOf('nodes', '', name), { spec: { taints } });
      const one = { key: 'x.test/a', value: 'b', effect: 'NoSchedule' };
      expect((await taint(one)).status).toBe(200);
      expect((await taint(one, { ...one, value: 'c' })).status).toBe(422);
      expect((await taint(one, { ...one, effect: 'NoExecute' })).status).toBe(200);
      expect((await taint({ ...one, effect: 'Sometimes' })).status).toBe(422);
      await visitor.call('DELETE', pathOf('nodes', '', name));
    });
  });

  describe('Events', () => {
    const events = (): string => `/apis/events.k8s.io/v1/namespaces/${visitor.namespace}/events`;
    const event = (name: string, more: JsonObject): JsonObject => ({
      metadata: { name },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'x.test/one',
      reportingInstance: 'one',
      action: 'Try',
      reason: 'Tried',
      type: 'Normal',
      note: 'tried',
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace: visitor.namespace, name: 'p' },
      ...more,
    });

    it('are taken when they say when, what, by whom and about whom', async () => {
      expect((await visitor.call('POST', events(), event('a', {}))).status).toBe(201);
      const { object } = await visitor.call('GET', pathOf('events', visitor.namespace, 'a'));
      expect(object).toMatchObject({ message: 'tried', involvedObject: { name: 'p' } });
    });

    it.each([
      ['eventTime', { eventTime: null }],
      ['type', { type: 'Bad' }],
      ['a short note', { note: 'x'.repeat(1_025) }],
      ['a short action', { action: 'x'.repeat(129) }],
      ['a short reason', { reason: 'x'.repeat(129) }],
      ['a short instance', { reportingInstance: 'x'.repeat(129) }],
      ['a qualified controller', { reportingController: 'not a name' }],
      ['a home, when it is about a Node', { regarding: { kind: 'Node', name: 'n' } }],
    ])('need %s', async (_, more) => {
      expect((await visitor.call('POST', events(), event('a', more))).status).toBe(422);
    });
  });
}
