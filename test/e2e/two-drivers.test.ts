import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { volumeHandle, otherVolumes, type WorkloadPlan } from '../machine/workload-objects.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const first = 'two-drivers.csi.test';
const second = 'two-drivers-too.csi.test';
const scene = { ...sceneOf('two-drivers', 4), otherDrivers: [second] };
const [a = '', b = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { otherDrivers: [second] });
const mysql = labelled(scene, 'Deployment', 'mysql', { otherDrivers: [second] });

describe('scenario 9: a pod with volumes of two drivers, an installation of ours for each', () => {
  let stage: ClusterStage;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings('--max-lost-nodes=2'));
    await stage.place([web], a);
    await stage.place([mysql], b);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('moves when both volumes are held', async () => {
    await stage.bed.machine(a).powerOff();
    await stage.move([web], a, 30_000);
    const homes = await Promise.all(volumesOf(web).map(writerOf));
    expect(new Set(homes).size).toBe(1);
    expect(homes).not.toContain(a);
    for (const driver of [first, second]) expect(stage.taints(a)).toContain(fencedTaint(driver));
    // No pod was ended before each of its volumes was held.
    expect(stage.crimes()).toEqual([]);
    expect(await stage.violations()).toEqual([]);
  }, 60_000);

  it('is held while one of the installations is not there, and loses neither volume', async () => {
    for (const replica of replicasOf(second)) replica.cutApi();
    off = stage.mark();
    await stage.bed.machine(b).powerOff();
    const pod = { kind: 'Pod', name: stage.podOf(mysql)?.metadata.name };
    const says = `foreign-volume: claim mysql-2 of driver ${second}`;
    await stage.event({ ...pod, reason: 'FailoverWaiting', says, withinMs: 30_000 });
    expect(stage.movesSince(off)).toEqual([]);
    const volumes = await stage.bed.array.volumes();
    for (const handle of volumesOf(mysql)) {
      const volume = volumes.find((one) => one.handle === handle);
      expect(volume).toMatchObject({ publishedNodes: [b] });
    }
  }, 60_000);

  it('moves when it is back', async () => {
    for (const replica of replicasOf(second)) replica.healApi();
    await stage.move([mysql], b, 60_000);
    const homes = await Promise.all(volumesOf(mysql).map(writerOf));
    expect(new Set(homes).size).toBe(1);
    expect(homes).not.toContain(b);
  }, 90_000);

  it('gives both machines back, for both drivers', async () => {
    await Promise.all([a, b].map((name) => stage.bed.machine(name).boot()));
    await stage.released(90_000);
    expect(stage.episodes()).toHaveLength(4);
    expect(stage.crimes()).toEqual([]);
    expect(await stage.violations()).toEqual([]);
  }, 120_000);

  function volumesOf(plan: WorkloadPlan): readonly string[] {
    return [plan, ...otherVolumes(plan)].map(volumeHandle);
  }

  /** The machine whose writes to the volume the array took last. */
  async function writerOf(handle: string): Promise<string | undefined> {
    const { writers } = await stage.bed.array.verdict();
    return writers.findLast((one) => one.handle === handle && one.accepted > 0)?.nodeId;
  }

  function replicasOf(driver: string) {
    const { installations } = stage.bed;
    return installations.find(({ driverName }) => driverName === driver)?.replicas ?? [];
  }
});
