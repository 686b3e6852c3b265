import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import type { WriterSummary } from '../array/judge.ts';
import type { ControllerReplica } from '../machine/controller-replica.ts';
import { claimName } from '../machine/workload-objects.ts';
import { ClusterStage, defaultSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('power-off', 3);
const [a = '', b = '', c = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { nodes: [a, c] });
const wordpress = labelled(scene, 'Deployment', 'wordpress', { nodes: [a, c] });
const mysql = labelled(scene, 'Deployment', 'mysql', { nodes: [a, c] });
const ledger = labelled(scene, 'StatefulSet', 'ledger', { nodes: [b, c] });
/** The product's promises, on the clock of the array. */
const promiseMs = 20_000;
const promiseWithoutLeaderMs = 30_000;
/** Every clock of the controller has begun: what follows is what a running cluster does. */
const settledMs = 5_000;

describe('machines that lose their power, with default flags', () => {
  let stage: ClusterStage;
  let off: Mark;
  let moved: readonly WriterSummary[];
  let first: ControllerReplica | undefined;
  let second: ControllerReplica | undefined;
  let firstLeader = '';

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, defaultSettings);
    [first, second] = stage.bed.replicas;
    if (first !== undefined) firstLeader = await stage.appoint(first);
    await stage.seat([web, wordpress, mysql, ledger]);
    await sleep(settledMs);
    off = stage.mark();
    await stage.bed.machine(a).powerOff();
    moved = await stage.move([web, wordpress, mysql], a, 60_000);
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  function recoveryMs(writer: WriterSummary | undefined): number {
    const ms = (writer?.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - off.at;
    console.info(`${writer?.slot} writes elsewhere ${(ms / 1000).toFixed(1)} s after power-off`);
    return ms;
  }

  it('1: a StatefulSet with an RWO volume writes elsewhere within 20 s', async () => {
    expect(recoveryMs(moved[0])).toBeLessThanOrEqual(promiseMs);
    expect(stage.taints(a)).toContain(fencedTaint(scene.driverName));
    const claim = { kind: 'PersistentVolumeClaim', name: claimName(web) };
    await stage.event({ ...claim, reason: 'VolumeFenced' });
    await stage.event({ ...claim, reason: 'FailoverCompleted' });
    await stage.event({ kind: 'Pod', name: 'web-0', reason: 'FailoverCompleted' });
    await stage.event({ kind: 'Node', name: a, reason: 'NodeFenced' });
  }, 30_000);

  it('2: WordPress and MySQL, Deployments that are Recreated, both move', async () => {
    for (const writer of moved.slice(1)) {
      expect(recoveryMs(writer)).toBeLessThanOrEqual(promiseMs);
    }
    for (const plan of [wordpress, mysql]) {
      await stage.event({
        kind: 'PersistentVolumeClaim',
        name: claimName(plan),
        reason: 'FailoverCompleted',
      });
    }
    expect(await stage.machinesOf(ledger)).toEqual([b]);
  }, 30_000);

  it('is given back when it has power again, and the pods stay where they are', async () => {
    await stage.bed.machine(a).boot();
    await stage.released(90_000);
    await stage.event({ kind: 'Node', name: a, reason: 'NodeReleased' });
    const since = Date.now();
    for (const plan of [web, wordpress, mysql]) await stage.writesOn(plan, c, { since });
  }, 100_000);

  it('15: the leader dies with the machine: moves within 30 s', async () => {
    const leader = stage.leader() === firstLeader ? first : second;
    off = stage.mark();
    leader?.hangApi();
    await Promise.all([leader?.kill(), stage.bed.machine(b).powerOff()]);
    const [writer] = await stage.move([ledger], b, 60_000);
    expect(recoveryMs(writer)).toBeLessThanOrEqual(promiseWithoutLeaderMs);
  }, 120_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    expect(stage.episodes().map(({ lease }) => lease.split('.').at(-1))).toEqual([a, b]);
  });
});
