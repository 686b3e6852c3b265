/**
 * Trouble that must not move a pod, or not yet: what the storage and the other nodes say of it
 * decides. The driver tells health as CSI up to 1.12 does. `turns`: a volume that turned bad four
 * times on a node within 10 min is left alone, so each scenario here has its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { heartbeatLease, reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport } from '../../src/shared/record.ts';
import type { Told } from '../driver/faults.ts';
import { eventually } from '../machine/eventually.ts';
import { claimName, pvName, volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('views', 3);
const [a = '', b = '', c = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { nodes: [a, c] });
const mysql = labelled(scene, 'Deployment', 'mysql', { nodes: [b, c] });
const ledger = labelled(scene, 'StatefulSet', 'ledger', { nodes: [c, b] });
const plans = [web, mysql, ledger];
const driver = { kind: 'CSIDriver', name: scene.driverName };

/** The driver itself waits 2 s for an array that is silent. */
const healthFlags = ['--health-interval=3s', '--unhealthy-after=6s'];
/** Until trouble has lasted long enough, and what would come next, if it came. */
const decidedMs = 6_000 + 5_000;
const bad: Told = {
  health: { volumes: { '*': { status: 'Inaccessible', message: 'error in getting volume' } } },
};

describe('trouble with storage that is not one node’s', () => {
  let stage: ClusterStage;
  let mark: Mark;

  beforeAll(async () => {
    const { agentFlags = [], ...settings } = fastSettings(
      '--list-volumes-interval=5s',
      ...healthFlags,
    );
    stage = await ClusterStage.open(scene, {
      ...settings,
      agentFlags: [...agentFlags, ...healthFlags],
      dialect: 'condition',
    });
    await stage.seat(plans);
    await sleep(5_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('a node that says bad for one poll, and a controller that says good: nothing', async () => {
    mark = stage.mark();
    stage.bed.machine(a).tellPlugin(bad);
    await eventually(() => reportOf(a)?.unhealthy.length === 1, { what: `${a} to report it` });
    stage.bed.machine(a).tellPlugin({});
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
    expect(reportOf(a)?.unhealthy).toEqual([]);
  }, 60_000);

  it('every volume abnormal for everybody, as dell/csm 1766, 1828 and 1864 had it: nothing', async () => {
    mark = stage.mark();
    stage.bed.tellControllerPlugins(bad);
    for (const machine of stage.bed.machines) machine.tellPlugin(bad);
    await Promise.all(plans.map((plan) => held(plan, 'scope-control-plane', 40_000)));
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
    await stage.event({ ...driver, reason: 'MostVolumesAbnormal' });
  }, 120_000);

  it('recovers by itself when the outage ends', async () => {
    stage.bed.tellControllerPlugins({});
    for (const machine of stage.bed.machines) machine.tellPlugin({});
    await well();
    expect(stage.touchesSince(mark)).toEqual([]);
    await stage.event({ ...driver, reason: 'MostVolumesNormal' });
    for (const plan of plans) expect(await heldCount(plan, 'scope-control-plane')).toBe(1);
  }, 90_000);

  it('all nodes lose the array: nothing moves, and it is said why', async () => {
    mark = stage.mark();
    for (const machine of stage.bed.machines) machine.cutStorage();
    await Promise.all(plans.map((plan) => held(plan, 'scope-backend', 30_000)));
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
    for (const machine of stage.bed.machines) machine.healStorage();
    await well();
    const since = Date.now();
    for (const [plan, node] of [
      [web, a],
      [mysql, b],
      [ledger, c],
    ] as const) {
      await stage.writesOn(plan, node, { since });
    }
    expect(stage.touchesSince(mark)).toEqual([]);
  }, 120_000);

  it('a volume that is lost for everybody: nothing moves', async () => {
    mark = stage.mark();
    await stage.bed.array.setVolumeState(volumeHandle(web), 'offline');
    await held(web, 'scope-volume', 40_000);
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
    const claim = { kind: 'PersistentVolumeClaim', name: claimName(web) };
    await stage.event({ ...claim, reason: 'VolumeConditionAbnormal', says: volumeHandle(web) });
    await stage.bed.array.setVolumeState(volumeHandle(web), 'ok');
    await stage.event({ ...claim, reason: 'VolumeConditionNormal', says: pvName(web) });
    // Nor when its node is the last to notice that it is back.
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
    await stage.writesOn(web, a, { since: Date.now() });
  }, 120_000);

  it('a path lost while the array cannot be asked: held, and the missing view is named', async () => {
    await well();
    mark = stage.mark();
    await stage.bed.array.setManagement('down');
    // What the array said last is believed for so long.
    await sleep(11_000);
    stage.bed.machine(b).cutStorage();
    await held(mysql, "scope-unknown: the storage's own view is missing", 40_000);
    await sleep(decidedMs);
    expect(stage.touchesSince(mark)).toEqual([]);
  }, 90_000);

  it('moves when the array can be asked again', async () => {
    await stage.bed.array.setManagement('ok');
    await stage.move([mysql], b, 60_000);
    expect(stage.crimes()).toEqual([]);
    stage.bed.machine(b).healStorage();
    await stage.releasedOf([b], 90_000);
    await well();
  }, 160_000);

  it('recovery while the pod is ending: no fence, and it ends in order', async () => {
    mark = stage.mark();
    const uid = stage.podOf(ledger)?.metadata.uid;
    // Its pod ends, but its volume stays where it is.
    stage.bed.machine(c).hangStorage();
    await eventually(() => stage.movesSince(mark).includes('pod ledger-0 was ended'), {
      what: 'the pod to be ended',
      withinMs: 30_000,
    });
    stage.bed.machine(c).healStorage();
    await eventually(() => ![undefined, uid].includes(stage.podOf(ledger)?.metadata.uid), {
      what: 'another pod in its place',
      withinMs: 30_000,
    });
    await stage.writesOn(ledger, [b, c], { since: Date.now(), withinMs: 60_000 });
    await stage.releasedOf([c], 90_000);
    const ours = stage.oursSince(mark);
    expect(ours.filter((word) => /^(hold|eviction)/.test(word))).toEqual([]);
    expect(ours.filter((word) => word.startsWith('record'))).not.toEqual([]);
  }, 180_000);

  it('a volume that comes and goes: held', async () => {
    await well();
    mark = stage.mark();
    for (let turn = 0; turn < 4; turn += 1) {
      await stage.bed.array.setPath(a, 'cut', volumeHandle(web));
      await eventually(() => reportOf(a)?.unhealthy.length === 1, { what: `${a} to report it` });
      if (turn === 3) break;
      await stage.bed.array.setPath(a, 'ok', volumeHandle(web));
      await eventually(() => reportOf(a)?.unhealthy.length === 0, { what: `${a} to be well` });
    }
    await held(web, 'flapping', 40_000);
    expect(stage.movesSince(mark)).toEqual([]);
    await stage.bed.array.setPath(a, 'ok', volumeHandle(web));
  }, 120_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    const nodes = stage.episodes().map(({ lease }) => lease.split('.').at(-1));
    expect(nodes).toEqual([b, c]);
  });

  async function held(plan: WorkloadPlan, says: string, withinMs: number) {
    const pod = { kind: 'Pod', name: stage.podOf(plan)?.metadata.name };
    return await stage.event({ ...pod, reason: 'FailoverHeld', says, withinMs });
  }

  /** How often that was said of the plan's pod, whatever else was said between. */
  async function heldCount(plan: WorkloadPlan, says: string): Promise<number> {
    const name = stage.podOf(plan)?.metadata.name;
    return (await stage.events())
      .filter((event) => event.name === name && event.reason === 'FailoverHeld')
      .filter(({ message }) => message.includes(says))
      .reduce((sum, { count }) => sum + count, 0);
  }

  function reportOf(node: string) {
    const { driverName, namespace } = scene;
    const name = heartbeatLease(driverName, node);
    const lease = stage.bed.foundation.find('leases', name, `${namespace}-driver`);
    return decodeNodeReport(lease?.metadata.annotations?.[reportAnnotation]);
  }

  /** No agent reports anything bad, and the controller has had the time to believe it. */
  async function well(): Promise<void> {
    const isWell = (node: string): boolean => reportOf(node)?.unhealthy.length === 0;
    await eventually(() => scene.machines.every(isWell), {
      what: 'all agents to report that all is well',
      withinMs: 30_000,
    });
    await sleep(12_000);
  }
});
