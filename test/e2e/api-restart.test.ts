import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCluster } from '../cluster/start-cluster.ts';
import { eventually } from '../machine/eventually.ts';
import { claimName, volumeHandle } from '../machine/workload-objects.ts';
import { ClusterStage, defaultSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('restart', 3);
const [a = '', b = '', c = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { nodes: [a, c] });
const mysql = labelled(scene, 'Deployment', 'mysql', { nodes: [a, c] });
const bystander = labelled(scene, 'StatefulSet', 'bystander', { nodes: [b, c] });

describe('14: an API server that crashes in the middle of a failover, with default flags', () => {
  let stage: ClusterStage;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, { ...defaultSettings, cluster: await startCluster() });
    await stage.seat([web, mysql, bystander]);
    await sleep(5_000);
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  it('is finished when the API server is back', async () => {
    // Slow enough that the crash comes while one fence is confirmed and the other is not.
    const slow = { kind: 'slow', delayMs: 4_000 } as const;
    await stage.bed.array.setUnpublishMode(slow, volumeHandle(mysql));
    off = stage.mark();
    await stage.bed.machine(a).powerOff();
    await eventually(() => stage.leftOvers().some((left) => left.startsWith('hold on')), {
      what: 'the first hold',
      withinMs: 60_000,
    });
    const apiServer = stage.cluster.component('kube-apiserver');
    await apiServer.kill();
    await apiServer.start();
    await stage.move([web, mysql], a, 60_000);
    for (const plan of [web, mysql]) {
      const claim = { kind: 'PersistentVolumeClaim', name: claimName(plan) };
      await stage.event({ ...claim, reason: 'FailoverCompleted' });
    }
  }, 180_000);

  it('moves nothing else, and gives the machine back', async () => {
    await stage.bed.machine(a).boot();
    await stage.released(120_000);
    expect(await stage.machinesOf(bystander)).toEqual([b]);
    expect(stage.touchesSince(off).filter((touch) => touch.includes('bystander'))).toEqual([]);
    expect(stage.episodes()).toHaveLength(1);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  }, 150_000);
});
