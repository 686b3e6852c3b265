import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { enabledLabel, heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import type { WriterSummary } from '../array/judge.ts';
import { ClusterFoundation } from '../cluster/cluster-foundation.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { bundlePath, driverNamespace, type MachineBed, startBedOn } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import { slotOfPlan, type WorkloadPlan } from '../machine/workload-objects.ts';

const driverName = 'power-off.csi.test';
const plan: WorkloadPlan = {
  kind: 'StatefulSet',
  namespace: 'power-off',
  name: 'web',
  labels: { [enabledLabel]: 'true' },
  driverName,
};

describe('a machine without power', () => {
  let cluster: Cluster;
  let bed: MachineBed<ClusterFoundation>;

  beforeAll(async () => {
    cluster = await sharedCluster();
    bed = await startBedOn((site) => ClusterFoundation.lay(cluster, site), {
      driverName,
      machines: ['power-off-a', 'power-off-b', 'power-off-c'],
      bundle: bundlePath,
      // The test driver stands in no table, so what its unpublish is worth has to be said.
      controllerFlags: ['--fence=unpublish'],
    });
    await bed.bootAll();
    await bed.addWorkload(plan);
    await writerOn(() => true, 0);
    await eventually(
      () => holder() !== '' && bed.machines.every(({ name }) => hasHeartbeat(name)),
      { what: 'a leader, and a heartbeat of every machine' },
    );
  }, 180_000);

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  }, 60_000);

  function holder(): string {
    const lease = bed.foundation.find('leases', leaderLease(driverName), driverNamespace);
    return lease?.spec?.holderIdentity ?? '';
  }

  function hasHeartbeat(node: string): boolean {
    const name = heartbeatLease(driverName, node);
    return bed.foundation.find('leases', name, driverNamespace) !== undefined;
  }

  async function writerOn(
    isThere: (node: string) => boolean,
    since: number,
  ): Promise<WriterSummary> {
    return await eventually(
      async () => {
        const last = await bed.lastWriter(plan);
        const fresh = (last?.lastAcceptedAt ?? 0) > since;
        return last !== undefined && fresh && isThere(last.nodeId) ? last : undefined;
      },
      { what: `${slotOfPlan(plan)} to write`, withinMs: 60_000, everyMs: 100 },
    );
  }

  it('loses its pod to another machine within 20 s, and is released when it is back', async () => {
    const first = await writerOn(() => true, 0);
    // Every clock of the controller has begun: what follows is what a running cluster does.
    await sleep(5_000);
    const victim = bed.machine(first.nodeId);
    const powerOffAt = Date.now();
    await victim.powerOff();
    const second = await writerOn((node) => node !== first.nodeId, powerOffAt);
    const recoveryMs = (second.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - powerOffAt;
    console.info(`first write elsewhere ${(recoveryMs / 1000).toFixed(1)} s after power-off`);
    expect(recoveryMs).toBeLessThan(20_000);
    expect(second.podUid).not.toBe(first.podUid);
    await victim.boot();
    await eventually(() => taintsOf(first.nodeId).length === 0, {
      what: `${first.nodeId} to be released`,
      withinMs: 120_000,
    });
    expect((await bed.array.verdict()).violations).toEqual([]);
    const last = await writerOn(() => true, Date.now());
    expect(last.podUid).toBe(second.podUid);
  }, 240_000);

  function taintsOf(node: string): readonly string[] {
    const taints = bed.foundation.find('nodes', node)?.spec?.taints ?? [];
    return taints.map(({ key }) => key);
  }
});
