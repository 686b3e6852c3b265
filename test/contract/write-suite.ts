import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../src/shared/effect.ts';
import { type Listed, pathOf } from '../machine/api-client.ts';
import type { Lease } from '../model/objects.ts';
import { type Answer, type ApiVisitor, foreignUid, leaseBody } from './api-visitor.ts';

/** Creating, replacing, patching and deleting any object. */
export function writeSuite(visitor: ApiVisitor): void {
  describe('create', () => {
    it('stamps uid, version and time, and says what the object is; lists do not', async () => {
      const created = await visitor.call('POST', visitor.leases(), leaseBody('a'));
      expect(created.status).toBe(201);
      expect(created.object).toMatchObject({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          name: 'a',
          namespace: visitor.namespace,
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        },
      });
      const { object } = await visitor.api.call<Listed<Lease>>('GET', visitor.leases());
      expect(object?.items).toHaveLength(1);
      expect(object?.items[0]).not.toHaveProperty('kind');
    });

    it('refuses the same name twice, and a body that names another namespace', async () => {
      await visitor.make(visitor.leases(), leaseBody('a'));
      expect((await visitor.call('POST', visitor.leases(), leaseBody('a'))).status).toBe(409);
      const elsewhere = { metadata: { name: 'b', namespace: 'default' }, spec: {} };
      expect((await visitor.call('POST', visitor.leases(), elsewhere)).status).toBe(400);
    });

    it.each([
      ['a name with a slash', { name: 'a/b' }],
      ['a label that is no label', { name: 'a', labels: { a: 'not a label!' } }],
      ['an annotation key that is none', { name: 'a', annotations: { 'a/b/c': '' } }],
      ['annotations beyond 256 KiB', { name: 'a', annotations: { a: 'x'.repeat(262_145) } }],
    ])('refuses %s with 422', async (_, metadata) => {
      expect((await visitor.call('POST', visitor.leases(), { metadata, spec: {} })).status).toBe(
        422,
      );
    });
  });

  describe('optimistic concurrency', () => {
    it('PUT replaces only the version that was read', async () => {
      const read = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      const next = { ...read, spec: { holderIdentity: 'second' } } as unknown as JsonObject;
      expect((await visitor.call('PUT', visitor.leases('a'), next)).status).toBe(200);
      expect((await visitor.call('PUT', visitor.leases('a'), next)).status).toBe(409);
    });

    it('PUT of a Lease or VolumeAttachment without a version is refused', async () => {
      await visitor.make(visitor.leases(), leaseBody('a'));
      expect((await visitor.call('PUT', visitor.leases('a'), leaseBody('a'))).status).toBe(422);
    });

    it('PUT of a Lease that is not there creates it, unless it names a uid', async () => {
      const old = { name: 'a', resourceVersion: '7' };
      expect(
        (
          await visitor.call('PUT', visitor.leases('a'), {
            metadata: { ...old, uid: foreignUid },
            spec: {},
          })
        ).status,
      ).toBe(409);
      expect(
        (await visitor.call('PUT', visitor.leases('a'), { metadata: old, spec: {} })).status,
      ).toBe(201);
      const map = pathOf('configmaps', visitor.namespace, 'a');
      expect((await visitor.call('PUT', map, { metadata: { name: 'a' }, data: {} })).status).toBe(
        404,
      );
    });

    it('PUT with another uid is a conflict', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      const body = { metadata: { ...metadata, uid: foreignUid }, spec: {} };
      expect((await visitor.call('PUT', visitor.leases('a'), body)).status).toBe(409);
    });

    it('PATCH takes uid and version of its body as preconditions', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      const patch = (more: JsonObject): Promise<Answer> =>
        visitor.call('PATCH', visitor.leases('a'), {
          metadata: { ...more, labels: { touched: 'yes' } },
        });
      // Not a conflict but an attempt to change the uid; a stale version is noticed before.
      expect((await patch({ uid: foreignUid })).status).toBe(422);
      expect((await patch({ uid: foreignUid, resourceVersion: '1' })).status).toBe(409);
      expect((await patch({ resourceVersion: '1' })).status).toBe(409);
      expect((await patch({ resourceVersion: '' })).status).toBe(422);
      expect((await patch({ uid: metadata.uid })).status).toBe(200);
      const stale = { uid: metadata.uid, resourceVersion: metadata.resourceVersion };
      expect((await patch(stale)).status).toBe(409);
    });

    it('DELETE takes uid and version as preconditions', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a'));
      const remove = (preconditions: JsonObject): Promise<Answer> =>
        visitor.call('DELETE', visitor.leases('a'), {
          kind: 'DeleteOptions',
          apiVersion: 'v1',
          preconditions,
        });
      expect((await remove({ uid: foreignUid })).status).toBe(409);
      expect((await remove({ resourceVersion: '1' })).status).toBe(409);
      expect((await remove({ uid: metadata.uid })).status).toBe(200);
      expect((await remove({ uid: metadata.uid })).status).toBe(404);
    });

    it('a write that changes nothing makes no new version', async () => {
      const { metadata } = await visitor.make<Lease>(visitor.leases(), leaseBody('a', { x: 'y' }));
      const same = await visitor.call('PATCH', visitor.leases('a'), {
        metadata: { labels: { x: 'y' } },
      });
      expect(same.object?.metadata).toMatchObject({ resourceVersion: metadata.resourceVersion });
    });
  });

  describe('patches', () => {
    it('a merge patch replaces lists and removes what is null', async () => {
      await visitor.make(visitor.leases(), {
        metadata: { name: 'a', labels: { keep: 'a', drop: 'b' }, finalizers: ['x.test/one'] },
        spec: {},
      });
      const metadata = { labels: { drop: null }, finalizers: ['x.test/two'] };
      const { object } = await visitor.call('PATCH', visitor.leases('a'), { metadata });
      const after = object?.metadata as Lease['metadata'] | undefined;
      expect(after?.labels).toEqual({ keep: 'a' });
      expect(after?.finalizers).toEqual(['x.test/two']);
      await visitor.call('PATCH', visitor.leases('a'), { metadata: { finalizers: null } });
    });

    it('of a body that is neither merge nor strategic nor json is refused', async () => {
      await visitor.make(visitor.leases(), leaseBody('a'));
      const answer = await visitor.api.call('PATCH', visitor.leases('a'), {}, 'application/json');
      expect(answer.status).toBe(415);
    });
  });
}
