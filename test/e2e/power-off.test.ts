import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { claimName } from '../machine/workload-objects.ts';
import { ClusterStage, defaultSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('power-off', 3);
const web = labelled(scene, 'StatefulSet', 'web');
/** The product's promise, on the clock of the array. */
const promiseMs = 20_000;

describe('scenario 1: power-off under a StatefulSet, with default flags', () => {
  let stage: ClusterStage;
  let victim: string;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, defaultSettings);
    victim = scene.machines[0] ?? '';
    await stage.place([web], victim);
    // Every clock of the controller has begun: what follows is what a running cluster does.
    await sleep(5_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('runs again elsewhere within 20 s', async () => {
    const podUid = stage.podOf(web)?.metadata.uid;
    off = stage.mark();
    await stage.bed.machine(victim).powerOff();
    const [moved] = await stage.move([web], victim, 60_000);
    const recoveryMs = (moved?.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - off.at;
    console.info(`first write elsewhere ${(recoveryMs / 1000).toFixed(1)} s after power-off`);
    expect(recoveryMs).toBeLessThanOrEqual(promiseMs);
    expect(moved?.podUid).not.toBe(podUid);
    expect(stage.taints(victim)).toContain(fencedTaint(scene.driverName));
  }, 90_000);

  it('tells the story on pod, claim and node', async () => {
    const claim = { kind: 'PersistentVolumeClaim', name: claimName(web) };
    await stage.event({ ...claim, reason: 'VolumeFenced' });
    await stage.event({ ...claim, reason: 'FailoverCompleted' });
    await stage.event({ kind: 'Pod', name: 'web-0', reason: 'FailoverCompleted' });
    await stage.event({ kind: 'Node', name: victim, reason: 'NodeFenced' });
  }, 30_000);

  it('is released when it is back, and the pod stays where it is', async () => {
    const podUid = stage.podOf(web)?.metadata.uid;
    await stage.bed.machine(victim).boot();
    await stage.released(120_000);
    expect(stage.podOf(web)?.metadata.uid).toBe(podUid);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    expect(stage.episodes()).toHaveLength(1);
  }, 150_000);
});
