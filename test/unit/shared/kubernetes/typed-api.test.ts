import { CoordinationV1Api, StorageV1Api } from '@kubernetes/client-node';
import { describe, expect, it } from '@jest/globals';
import { typedApi } from '../../../../src/shared/kubernetes/typed-api.ts';
import { reply, serve } from './api-server.ts';

describe('typedApi', () => {
  it('speaks through our transport, over one connection', async () => {
    await using api = await serve((call) =>
      reply(call, 200, {
        metadata: { name: 'l' },
        spec: { renewTime: '2026-01-01T00:00:00.123456Z' },
      }),
    );
    const transport = api.transport();
    const leases = typedApi(CoordinationV1Api, transport);
    for (let i = 0; i < 3; i += 1) {
      const lease = await leases.readNamespacedLease({ namespace: 'ns', name: 'l' });
      expect(lease.metadata?.name).toBe('l');
    }
    expect(api.connections()).toBe(1);
    expect(api.calls[0]?.path).toBe('/apis/coordination.k8s.io/v1/namespaces/ns/leases/l');
  });

  it('passes query and code on', async () => {
    await using api = await serve((call) => reply(call, 404, { kind: 'Status', code: 404 }));
    const storage = typedApi(StorageV1Api, api.transport());
    const request = storage.listVolumeAttachment({ limit: 5, labelSelector: 'a=b' });
    await expect(request).rejects.toMatchObject({ code: 404 });
    expect(api.calls[0]?.query.toString()).toBe('labelSelector=a%3Db&limit=5');
  });
});
