import { describe, expect, it } from '@jest/globals';
import type { KubernetesEffect } from '../../../../src/shared/effect.ts';
import { collectionPath, performKubernetes } from '../../../../src/shared/kubernetes/client.ts';
import { reply, serve } from './api-server.ts';

const pod = { target: 'kubernetes', resource: 'pods', namespace: 'ns', name: 'p-0' } as const;
const node = { target: 'kubernetes', resource: 'nodes', namespace: '', name: 'n' } as const;
const va = {
  target: 'kubernetes',
  resource: 'volumeattachments',
  namespace: '',
  name: 'a',
} as const;

async function perform(effect: KubernetesEffect, status = 200, body: unknown = { kind: 'Pod' }) {
  await using api = await serve((call) => reply(call, status, body));
  const answer = await performKubernetes(api.transport(), effect, 30_000);
  const [call] = api.calls;
  const sent =
    call === undefined
      ? undefined
      : {
          request: `${call.method} ${call.path}`,
          type: call.headers['content-type'],
          body: call.body === '' ? undefined : (JSON.parse(call.body) as unknown),
          query: call.query.toString(),
        };
  return { answer, sent };
}

describe('performKubernetes', () => {
  it('reads consistently: no resourceVersion', async () => {
    const { sent, answer } = await perform({ ...pod, verb: 'get' });
    expect(sent).toMatchObject({ request: 'GET /api/v1/namespaces/ns/pods/p-0', query: '' });
    expect(answer).toEqual({ target: 'kubernetes', status: 200, body: { kind: 'Pod' } });
  });

  it('patches by merge patch, the status where asked', async () => {
    const body = { metadata: { uid: 'u', annotations: { gone: null } } };
    const main = await perform({ ...node, verb: 'patch', body });
    expect(main.sent).toEqual({
      request: 'PATCH /api/v1/nodes/n',
      type: 'application/merge-patch+json',
      body,
      query: '',
    });
    const status = await perform({ ...pod, verb: 'patch', body, subresource: 'status' });
    expect(status.sent?.request).toBe('PATCH /api/v1/namespaces/ns/pods/p-0/status');
  });

  it('deletes by uid, with a grace period only if one was given', async () => {
    const gentle = await perform({ ...va, verb: 'delete', uid: 'u' });
    expect(gentle.sent).toMatchObject({
      request: 'DELETE /apis/storage.k8s.io/v1/volumeattachments/a',
      body: { kind: 'DeleteOptions', preconditions: { uid: 'u' } },
    });
    expect(gentle.sent?.body).not.toHaveProperty('gracePeriodSeconds');
    const atOnce = await perform({ ...pod, verb: 'delete', uid: 'u', gracePeriodSeconds: 0 });
    expect(atOnce.sent?.body).toMatchObject({ preconditions: { uid: 'u' }, gracePeriodSeconds: 0 });
  });

  it('creates in the collection and updates the object', async () => {
    const lease = { target: 'kubernetes', resource: 'leases', namespace: 'ns', name: 'l' } as const;
    const created = await perform({ ...lease, verb: 'create', body: { a: 1 } }, 201);
    const path = '/apis/coordination.k8s.io/v1/namespaces/ns/leases';
    expect(created.sent).toMatchObject({ request: `POST ${path}`, body: { a: 1 } });
    expect(created.answer.status).toBe(201);
    const updated = await perform({ ...lease, verb: 'update', body: { a: 2 } });
    expect(updated.sent).toMatchObject({ request: `PUT ${path}/l`, body: { a: 2 } });
  });

  it('gives the Status of an error, and nothing for what is not JSON', async () => {
    const conflict = await perform({ ...pod, verb: 'get' }, 409, { kind: 'Status', code: 409 });
    expect(conflict.answer).toMatchObject({ status: 409, body: { kind: 'Status' } });
    for (const body of ['<html>', '[1]', 'null', '']) {
      expect((await perform({ ...pod, verb: 'get' }, 200, body)).answer.body).toBeUndefined();
    }
  });

  it.each<KubernetesEffect>([
    { ...pod, name: '', verb: 'delete', uid: 'u' },
    { ...pod, verb: 'delete', uid: '' },
    { ...pod, namespace: '', verb: 'get' },
    { ...node, namespace: 'ns', verb: 'get' },
  ])('sends nothing that could reach more than one object: %j', async (effect) => {
    const { sent, answer } = await perform(effect);
    expect(sent).toBeUndefined();
    expect(answer.status).toBe(400);
  });

  it('cannot be led to another path by a name', async () => {
    const { sent } = await perform({ ...pod, name: '../../nodes/n?x=', verb: 'get' });
    expect(sent?.request).toBe('GET /api/v1/namespaces/ns/pods/..%2F..%2Fnodes%2Fn%3Fx%3D');
  });
});

describe('collectionPath', () => {
  it('is that of all namespaces without one', () => {
    expect(collectionPath('pods', '')).toBe('/api/v1/pods');
    expect(collectionPath('csinodes', '')).toBe('/apis/storage.k8s.io/v1/csinodes');
    expect(collectionPath('configmaps', 'a')).toBe('/api/v1/namespaces/a/configmaps');
  });
});
