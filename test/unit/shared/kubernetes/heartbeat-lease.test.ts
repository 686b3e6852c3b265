import { describe, expect, it } from '@jest/globals';
import { HeartbeatLease } from '../../../../src/shared/kubernetes/heartbeat-lease.ts';
import { objectIn } from '../../../../src/shared/untrusted-json.ts';
import { FakeClock } from '../../../fake-clock.ts';
import { LeaseStore } from './kube-api.ts';

const name = 'test.csi.worker-1';
const fence = 'csi-failover.io/fence';

function setUp() {
  const store = new LeaseStore();
  const clock = new FakeClock();
  const lease = new HeartbeatLease({
    perform: store.perform,
    namespace: 'storage',
    driver: 'test.csi',
    node: 'worker-1',
    bootId: 'boot-1',
    durationMs: 10_000,
    clock,
  });
  return { store, clock, lease };
}

function annotations(store: LeaseStore) {
  return objectIn(objectIn(store.get(name).metadata).annotations);
}

describe('HeartbeatLease', () => {
  it('creates the Lease, then renews it with one request each', async () => {
    const { store, clock, lease } = setUp();
    await lease.renew('r1', 2000);
    await clock.advance(2000);
    const beat = await lease.renew('r2', 2000);
    expect(beat).toEqual({ outcome: { kind: 'Done' }, fence: undefined });
    expect(store.get(name)).toMatchObject({
      metadata: {
        namespace: 'storage',
        labels: { 'csi-failover.io/driver': 'test.csi' },
        annotations: { 'csi-failover.io/report': 'r2' },
      },
      spec: {
        holderIdentity: 'worker-1/boot-1',
        leaseDurationSeconds: 10,
        renewTime: '2026-01-01T00:00:02.000000Z',
      },
    });
    expect(store.effects.map(({ verb }) => verb)).toEqual(['get', 'create', 'update']);
  });

  it('loses the race against the fence record, looks again, and carries it forward', async () => {
    const { store, lease } = setUp();
    await lease.renew('r1', 2000);
    store.annotate(name, fence, '{"epoch":"e1"}');
    store.annotate(name, 'somebody/else', 'x');
    const beat = await lease.renew('r2', 2000);
    expect(beat).toEqual({ outcome: { kind: 'Done' }, fence: '{"epoch":"e1"}' });
    expect(annotations(store)).toEqual({
      'csi-failover.io/report': 'r2',
      [fence]: '{"epoch":"e1"}',
      'somebody/else': 'x',
    });
  });

  it('does not bring back a fence record that was removed', async () => {
    const { store, lease } = setUp();
    await lease.renew('r1', 2000);
    store.annotate(name, fence, 'f');
    await lease.renew('r2', 2000);
    const { [fence]: _, ...rest } = annotations(store);
    const object = store.get(name);
    store.put(name, { ...object, metadata: { ...objectIn(object.metadata), annotations: rest } });
    expect((await lease.renew('r3', 2000)).fence).toBeUndefined();
    expect(annotations(store)).toEqual({ 'csi-failover.io/report': 'r3' });
  });

  it('takes over the Lease of the life before this boot', async () => {
    const { store, lease } = setUp();
    store.put(name, { spec: { holderIdentity: 'worker-1/boot-0' } });
    store.annotate(name, fence, 'f');
    expect((await lease.renew('r1', 2000)).fence).toBe('f');
    expect(objectIn(store.get(name).spec)).toMatchObject({
      holderIdentity: 'worker-1/boot-1',
      leaseTransitions: 1,
    });
  });

  it('creates the Lease again when it was deleted', async () => {
    const { store, lease } = setUp();
    await lease.renew('r1', 2000);
    store.objects.delete(name);
    expect((await lease.renew('r2', 2000)).outcome.kind).toBe('Done');
    expect(annotations(store)).toEqual({ 'csi-failover.io/report': 'r2' });
  });

  it('says Unknown for a lost answer, remembers the fence record, and goes on', async () => {
    const { store, lease } = setUp();
    await lease.renew('r1', 2000);
    store.annotate(name, fence, 'f');
    await lease.renew('r2', 2000);
    store.faults.push('LostAnswer');
    expect(await lease.renew('r3', 2000)).toMatchObject({
      outcome: { kind: 'Unknown' },
      fence: 'f',
    });
    expect((await lease.renew('r4', 2000)).outcome.kind).toBe('Done');
    expect(annotations(store)['csi-failover.io/report']).toBe('r4');
  });

  it.each([403, 422])('says Failed after %d', async (status) => {
    const { store, lease } = setUp();
    store.faults.push(status);
    expect((await lease.renew('r1', 2000)).outcome.kind).toBe('Failed');
  });

  it('gives up when it loses the race again and again', async () => {
    const { store, lease } = setUp();
    await lease.renew('r1', 2000);
    const perform = store.perform;
    const busy = new HeartbeatLease({
      perform: async (effect) => {
        if (effect.verb === 'update') store.annotate(name, 'n', String(Math.random()));
        return perform(effect);
      },
      namespace: 'storage',
      driver: 'test.csi',
      node: 'worker-1',
      bootId: 'boot-1',
      durationMs: 10_000,
      clock: new FakeClock(),
    });
    const beat = await busy.renew('r2', 2000);
    expect(beat.outcome).toMatchObject({ kind: 'Failed', code: 'HTTP_409' });
  });
});
