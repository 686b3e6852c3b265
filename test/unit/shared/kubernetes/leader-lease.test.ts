import { describe, expect, it } from '@jest/globals';
import { objectIn } from '../../../../src/shared/untrusted-json.ts';
import { LeaderLease, type Leadership } from '../../../../src/shared/kubernetes/leader-lease.ts';
import { FakeClock } from '../../../fake-clock.ts';
import { silentLog } from '../../../silent-log.ts';
import { LeaseStore } from './kube-api.ts';

const name = 'csi-failover-test.csi';

function candidate(store: LeaseStore, clock: FakeClock, identity: string) {
  const changes: Leadership[] = [];
  const lease = new LeaderLease({
    perform: store.perform,
    namespace: 'storage',
    driver: 'test.csi',
    identity,
    leaseDurationMs: 10_000,
    renewDeadlineMs: 6000,
    retryPeriodMs: 2000,
    clock,
    random: () => 0,
    log: silentLog,
    onChange: (change) => changes.push(change),
  });
  lease.start();
  const leading = () => changes.at(-1)?.leading ?? false;
  return { lease, changes, leading };
}

function spec(store: LeaseStore) {
  return objectIn(store.get(name).spec);
}

describe('LeaderLease', () => {
  it('creates the Lease, labelled, and renews it every retry period', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { changes, lease } = candidate(store, clock, 'one');
    await clock.advance(4100);
    expect(store.get(name)).toMatchObject({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'storage', labels: { 'csi-failover.io/driver': 'test.csi' } },
      spec: {
        holderIdentity: 'one',
        leaseDurationSeconds: 10,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:04.000000Z',
        leaseTransitions: 0,
      },
    });
    // Each renewal is told, so that its way back through a watch can be recognised.
    const versions = changes.filter(({ leading }) => leading).map((c) => c.resourceVersion);
    expect(versions.slice(-3)).toEqual(['101', '102', '103']);
    expect(lease.valid()).toBe(true);
  });

  it('lets exactly one of two lead', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const both = [candidate(store, clock, 'one'), candidate(store, clock, 'two')];
    await clock.advance(30_000);
    expect(both.map(({ leading }) => leading())).toEqual([true, false]);
    expect(both[1]?.changes.at(-1)?.holder).toBe('one');
    expect(both.map(({ lease }) => lease.valid())).toEqual([true, false]);
  });

  it('takes over a duration after it saw the last renewal, not earlier', async () => {
    const store = new LeaseStore();
    // The dead leader's clock was far ahead: its times say nothing.
    const dead = { holderIdentity: 'dead', leaseDurationSeconds: 10, leaseTransitions: 4 };
    store.put(name, { spec: { ...dead, renewTime: '2036-01-01T00:00:00.000000Z' } });
    const clock = new FakeClock();
    const { leading } = candidate(store, clock, 'one');
    await clock.advance(9990);
    expect(leading()).toBe(false);
    await clock.advance(20);
    expect(leading()).toBe(true);
    expect(spec(store)).toMatchObject({ holderIdentity: 'one', leaseTransitions: 5 });
  });

  it('begins to wait anew with every change that it sees', async () => {
    const store = new LeaseStore();
    const other = { spec: { holderIdentity: 'other', leaseDurationSeconds: 10 } };
    store.put(name, other);
    const clock = new FakeClock();
    const { leading } = candidate(store, clock, 'one');
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(7000);
      store.put(name, other);
    }
    await clock.advance(9000);
    expect(leading()).toBe(false);
  });

  it('stops leading at the renew deadline, is invalid after the duration, and keeps trying', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { lease, leading } = candidate(store, clock, 'one');
    await clock.advance(2100);
    store.away = true;
    await clock.advance(5800);
    expect(leading()).toBe(true);
    await clock.advance(200);
    expect(leading()).toBe(false);
    expect(lease.valid()).toBe(false);
    store.away = false;
    await clock.advance(3100);
    expect(leading()).toBe(true);
    expect(lease.valid()).toBe(true);
    expect(spec(store).leaseTransitions).toBe(0);
  });

  it('renews although the answer to a renewal was lost', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { leading, changes } = candidate(store, clock, 'one');
    await clock.advance(100);
    store.faults.push('LostAnswer');
    await clock.advance(20_000);
    expect(leading()).toBe(true);
    expect(changes.filter((change) => !change.leading)).toEqual([]);
  });

  it('keeps what others wrote into the Lease, and leads on', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { leading } = candidate(store, clock, 'one');
    await clock.advance(100);
    store.annotate(name, 'note', 'by a person');
    await clock.advance(10_000);
    expect(leading()).toBe(true);
    expect(objectIn(store.get(name).metadata).annotations).toEqual({ note: 'by a person' });
  });

  it('stops at once when it sees somebody else hold the lease', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { leading, lease } = candidate(store, clock, 'one');
    await clock.advance(100);
    store.put(name, { spec: { holderIdentity: 'two', leaseDurationSeconds: 10 } });
    await clock.advance(2100);
    expect(leading()).toBe(false);
    expect(lease.valid()).toBe(false);
  });

  it('is not valid when the wall clock says that the machine slept', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { lease } = candidate(store, clock, 'one');
    await clock.advance(100);
    expect(lease.valid()).toBe(true);
    clock.stepWallTime(10_000);
    expect(lease.valid()).toBe(false);
    clock.stepWallTime(-20_000);
    expect(lease.valid()).toBe(false);
    await clock.advance(2000);
    expect(lease.valid()).toBe(true);
  });

  it('is not valid when the process stood still', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const { lease } = candidate(store, clock, 'one');
    await clock.advance(100);
    clock.freeze(10_000);
    expect(lease.valid()).toBe(false);
  });

  it('gives the lease back on stop, so that another leads at its next look', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    const one = candidate(store, clock, 'one');
    const two = candidate(store, clock, 'two');
    await clock.advance(5000);
    await one.lease.stop();
    expect(one.leading()).toBe(false);
    expect(one.lease.valid()).toBe(false);
    expect(spec(store).holderIdentity).toBe('');
    await clock.advance(2000);
    expect(two.leading()).toBe(true);
    await two.lease.stop();
    expect(clock.pending).toBe(0);
  });

  it('does not touch a lease of somebody else on stop', async () => {
    const store = new LeaseStore();
    const clock = new FakeClock();
    candidate(store, clock, 'one');
    const two = candidate(store, clock, 'two');
    await clock.advance(5000);
    await two.lease.stop();
    expect(spec(store).holderIdentity).toBe('one');
  });
});
