/**
 * Storage that a machine loses while its kubelet and its network live, with the shipped clocks. All
 * machines fail at the same moment, each in its own way; only the bound of the storm is lifted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint, outOfServiceTaint, unavailableTaint } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import { pvName, volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import { of } from '../scenarios/traces.ts';
import {
  ClusterStage,
  defaultSettings,
  labelled,
  type Mark,
  sceneOf,
  unlabelled,
} from './stage.ts';

const scene = sceneOf('storage', 6);
const [cut = '', hung = '', partly = '', shaky = '', stuck = '', haven = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { nodes: [cut, haven] });
const mysql = labelled(scene, 'Deployment', 'mysql', { nodes: [cut, haven] });
const plain = unlabelled(scene, 'StatefulSet', 'plain', { nodes: [cut] });
const ledger = labelled(scene, 'StatefulSet', 'ledger', { nodes: [hung, haven] });
/** Foreign, and on its way out for ever: what makes the fast path forbidden. */
const leaving = unlabelled(scene, 'Pod', 'leaving', { nodes: [hung], volumeless: true });
const lost = labelled(scene, 'StatefulSet', 'lost', { nodes: [partly, haven] });
const beside = labelled(scene, 'StatefulSet', 'beside', { nodes: [partly, haven] });
const calm = labelled(scene, 'StatefulSet', 'calm', { nodes: [shaky, haven] });
const queue = labelled(scene, 'StatefulSet', 'queue', { nodes: [stuck, haven] });
const plans = [web, mysql, plain, ledger, lost, beside, calm, queue];

const unhealthyAfterMs = 30_000;
const fastMs = unhealthyAfterMs + 20_000;
const slowMs = unhealthyAfterMs + 80_000;
const blipMs = 12_000;
const driverDownAfterMs = 60_000;

describe('storage that is lost on a machine that lives, with default flags', () => {
  let stage: ClusterStage;
  let off: Mark;
  let shakyMachine: Promise<{ readonly frozenAt: number; readonly blip: readonly string[] }>;

  beforeAll(async () => {
    const { controllerFlags = [] } = defaultSettings;
    stage = await ClusterStage.open(scene, {
      controllerFlags: [...controllerFlags, '--max-lost-nodes=100%'],
    });
    await stage.seat(plans);
    await stage.bed.addWorkload(leaving);
    await leave();
    // Every view has been read: what follows is what a running cluster does.
    await sleep(15_000);
    off = stage.mark();
    stage.bed.machine(cut).cutStorage();
    for (const name of [hung, stuck]) stage.bed.machine(name).hangStorage();
    await stage.bed.array.setPath(partly, 'cut', volumeHandle(lost));
    shakyMachine = blipAndFreeze();
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  it('a path that is cut: both pods write elsewhere within --unhealthy-after + 20 s', async () => {
    for (const plan of [web, mysql])
      expect(await recoveryMs(plan, cut)).toBeLessThanOrEqual(fastMs);
    // They went by themselves: nothing had to be taken by force.
    expect(holdsOn(cut)).toEqual([]);
    for (const plan of [web, mysql]) expect(endedByForce(plan)).toBe(false);
    await stage.event({ kind: 'Node', name: cut, reason: 'NodeStorageLost' });
    const claim = { kind: 'PersistentVolumeClaim', name: 'mysql', reason: 'FailoverCompleted' };
    await stage.event({ ...claim, says: haven });
  }, 90_000);

  it('a path that hangs: taken by force, and written elsewhere within the same time', async () => {
    expect(await recoveryMs(queue, stuck)).toBeLessThanOrEqual(fastMs);
    // Its kubelet could not let go of the volume.
    expect(holdsOn(stuck)).not.toEqual([]);
  }, 90_000);

  it('one volume that is lost on one node: its pod moves, the one beside it does not', async () => {
    expect(await recoveryMs(lost, partly)).toBeLessThanOrEqual(fastMs);
    await stage.writesOn(beside, partly, { since: Date.now() });
    expect(stage.podOf(plain)?.metadata.deletionTimestamp).toBeUndefined();
    expect(await stage.machinesOf(beside)).toEqual([partly]);
  }, 90_000);

  it('keeps new pods away from a node whose storage is gone, and says what is lost', async () => {
    expect(stage.taints(cut)).toContain(unavailableTaint(scene.driverName));
    expect(stage.taints(partly)).not.toContain(unavailableTaint(scene.driverName));
    const about = { kind: 'Pod', name: 'lost-0', reason: 'VolumeConditionAbnormal' };
    const { message } = await stage.event({ ...about, says: volumeHandle(lost) });
    for (const word of [partly, pvName(lost)]) expect(message).toContain(word);
  }, 30_000);

  it('a blip of 12 s: nothing happens', async () => {
    expect((await shakyMachine).blip).toEqual([]);
    await stage.writesOn(calm, shaky, { since: Date.now() });
  }, 60_000);

  it('a driver that hangs: the node is kept from new pods after 60 s, and nothing moves', async () => {
    const { frozenAt } = await shakyMachine;
    await eventually(() => stage.taints(shaky).includes(unavailableTaint(scene.driverName)), {
      what: `${shaky} to be tainted`,
      withinMs: driverDownAfterMs + 30_000,
    });
    expect(Date.now() - frozenAt).toBeGreaterThanOrEqual(driverDownAfterMs - 5_000);
    await stage.event({ kind: 'Node', name: shaky, reason: 'NodeDriverDown' });
    await stage.writesOn(calm, shaky, { since: Date.now() });
    expect(await stage.machinesOf(calm)).toEqual([shaky]);
    stage.bed.machine(shaky).freezePlugin(false);
    await eventually(() => stage.leftOn([shaky]).length === 0, {
      what: `${shaky} to be let back`,
      withinMs: 60_000,
    });
  }, 180_000);

  it('where the fast path is forbidden: within --unhealthy-after + 80 s', async () => {
    expect(await recoveryMs(ledger, hung)).toBeLessThanOrEqual(slowMs);
    expect(holdsOn(hung)).not.toEqual([]);
    const keys = of(stage.changes(off), 'nodes')
      .filter(({ object }) => object.metadata.name === hung)
      .flatMap(({ object }) => (object.spec?.taints ?? []).map(({ key }) => key));
    expect(keys).toContain(fencedTaint(scene.driverName));
    expect(keys).not.toContain(outOfServiceTaint);
    expect(stage.podOf(leaving)?.metadata.deletionTimestamp).toBeDefined();
  }, 150_000);

  it('all are given back when their storage is, and say so', async () => {
    for (const name of [cut, hung, stuck]) stage.bed.machine(name).healStorage();
    await stage.bed.array.setPath(partly, 'ok', volumeHandle(lost));
    await stage.releasedOf([cut, hung, partly, stuck], 180_000);
    for (const name of [cut, hung, partly, stuck]) {
      await stage.event({ kind: 'Node', name, reason: 'NodeReleased' });
    }
    const since = Date.now();
    for (const plan of [web, mysql, ledger, lost, queue])
      await stage.writesOn(plan, haven, { since });
    await stage.writesOn(plain, cut, { since, withinMs: 30_000 });
    expect(await stage.machinesOf(plain)).toEqual([cut]);
  }, 240_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    const nodes = stage.episodes().map(({ lease }) => lease.split('.').at(-1));
    expect(new Set(nodes)).toEqual(new Set([cut, hung, partly, stuck]));
    expect(nodes).toHaveLength(4);
  });

  async function recoveryMs(plan: WorkloadPlan, from: string): Promise<number> {
    const [writer] = await stage.move([plan], from, slowMs + 30_000);
    const ms = (writer?.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - off.at;
    console.info(`${plan.name} writes elsewhere ${(ms / 1000).toFixed(1)} s after the loss`);
    return ms;
  }

  /** Volumes that were ever held on this machine. */
  function holdsOn(machine: string): readonly string[] {
    const marks = stage.oursSince(off).filter((mark) => mark.startsWith('hold on'));
    return marks.filter((mark) => mark.endsWith(` of ${machine}`));
  }

  function endedByForce({ name }: WorkloadPlan): boolean {
    return stage.oursSince(off).some((mark) => mark.startsWith(`eviction of ${name}`));
  }

  /** The pod is being deleted, and something keeps it. */
  async function leave(): Promise<void> {
    const place = { namespace: leaving.namespace, name: leaving.name };
    await eventually(() => stage.podOf(leaving)?.status?.phase === 'Running', {
      what: 'the foreign pod to run',
    });
    const finalizers = ['example.test/keep'];
    await stage.bed.api.patch('pods', place, { metadata: { finalizers } });
    await stage.bed.api.delete('pods', place, { gracePeriodSeconds: 1 });
  }

  async function blipAndFreeze(): Promise<Awaited<typeof shakyMachine>> {
    const machine = stage.bed.machine(shaky);
    machine.cutStorage();
    await sleep(blipMs);
    machine.healStorage();
    await sleep(unhealthyAfterMs + 5_000 - blipMs);
    const touches = stage.touchesSince(off);
    const blip = touches.filter((touch) => touch.includes(shaky) || touch.includes(calm.name));
    machine.freezePlugin(true);
    return { frozenAt: Date.now(), blip };
  }
});
