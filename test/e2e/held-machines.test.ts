import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attacherFinalizer, holdFinalizer, outOfServiceTaint } from '../../src/shared/names.ts';
import { volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { VolumeAttachment } from '../model/objects.ts';
import { setNodeId } from './node-id.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('held', 6);
const [a = '', b = '', c = '', d = '', e = '', haven = ''] = scene.machines;
const tainted = labelled(scene, 'StatefulSet', 'tainted', { nodes: [a, haven] });
const renamed = labelled(scene, 'StatefulSet', 'renamed', { nodes: [b, haven] });
const stubborn = labelled(scene, 'StatefulSet', 'stubborn', { nodes: [c, haven] });
const paused = labelled(scene, 'StatefulSet', 'paused', { nodes: [d, haven] });
const unattended = labelled(scene, 'Deployment', 'unattended', { nodes: [e, haven] });
const plans = [tainted, renamed, stubborn, paused, unattended];
/** Longer than everything takes that would come next, if it came. */
const longMs = 4_000;

describe('machines that fail where something holds the failover', () => {
  let stage: ClusterStage;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, {
      ...fastSettings('--max-lost-nodes=100%'),
      // What happens when the attacher looks at a changed node id is a test of its own.
      foundation: { attacherFlags: ['--reconcile-sync=1h'] },
    });
    await stage.seat(plans);
    await sleep(2_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('25: nothing happens while a person says pause', async () => {
    await stage.say({ paused: 'true' });
    off = stage.mark();
    await stage.bed.machine(d).powerOff();
    await held(paused, 'paused: ConfigMap csi-failover says paused');
    await sleep(longMs);
    expect(stage.touchesSince(off)).toEqual([]);
  }, 60_000);

  it('25: the pod moves when the pause ends', async () => {
    await stage.say({ paused: 'false' });
    await stage.move([paused], d, 30_000);
  }, 60_000);

  it('17: somebody else has put the out-of-service taint on it: held', async () => {
    await sleep(1_000);
    off = stage.mark();
    await stage.bed.machine(a).powerOff();
    // As documented upstream, by hand.
    await setOutOfService([{ key: outOfServiceTaint, value: 'nodeshutdown', effect: 'NoExecute' }]);
    await failOthers();
    await held(tainted, `other-remediator: somebody else put ${outOfServiceTaint}=nodeshutdown`);
  }, 60_000);

  it('21: its CSINode names another node id than its volumes were published to: held', async () => {
    const ids = `was published to node id ${b}, CSINode says ${b}-again`;
    await held(renamed, `node-id-changed: volume ${volumeHandle(renamed)} ${ids}`);
  }, 60_000);

  it('23: the driver cannot take the volume away: held, and the pod goes on writing', async () => {
    const says = `fence-unconfirmed: volume ${volumeHandle(stubborn)}`;
    const { message } = await waiting(stubborn, says);
    // Whatever the driver answered, people read it.
    expect(message).toContain('told to fail');
    await sleep(longMs);
    expect(attachmentOf(stubborn)?.metadata).toMatchObject({
      deletionTimestamp: expect.any(String),
      finalizers: [attacherFinalizer(scene.driverName), holdFinalizer],
    });
    expect(stage.podOf(stubborn)).toMatchObject({ status: { phase: 'Running' } });
    await stage.writesOn(stubborn, c, { since: Date.now() });
  }, 60_000);

  it('17, 21: nothing of ours has happened to them', async () => {
    const touches = stage
      .touchesSince(off)
      .filter((touch) => !touch.includes(c) && !touch.includes(stubborn.name));
    // The taint by hand evicts, and we do not even know for whom.
    expect(touches).toEqual(['pod tainted-0 was ended']);
    for (const plan of [tainted, renamed]) {
      expect(attachmentOf(plan)?.metadata.deletionTimestamp).toBeUndefined();
    }
    const records = await stage.bed.array.records();
    const unpublished = records.filter(
      ({ call, handle }) =>
        call === 'unpublish' && [tainted, renamed].map(volumeHandle).includes(handle),
    );
    expect(unpublished).toEqual([]);
  });

  it('17, 21: they move when it is over', async () => {
    await Promise.all([setOutOfService([]), setNodeId(stage.bed.api, b, b)]);
    await stage.move([tainted], a, 30_000);
    await stage.move([renamed], b, 30_000);
    const records = await stage.bed.array.records();
    const ids = records
      .filter(({ call, handle }) => call === 'unpublish' && handle === volumeHandle(renamed))
      .map(({ nodeId }) => nodeId);
    expect([...new Set(ids)]).toEqual([b]);
  }, 60_000);

  it('16: the attacher is down: held', async () => {
    await stage.bed.foundation.attacher.stop();
    off = stage.mark();
    await stage.bed.machine(e).powerOff();
    await waiting(unattended, 'waits for the attacher to unpublish it');
    await sleep(longMs);
    expect(attachmentOf(unattended)?.metadata.finalizers).toContain(holdFinalizer);
    expect(stage.podOf(unattended)).toMatchObject({ status: { phase: 'Running' } });
  }, 60_000);

  it('16: finished when it is back', async () => {
    await stage.bed.foundation.attacher.start();
    await stage.move([unattended], e, 60_000);
  }, 90_000);

  it('23: is held for ever', async () => {
    expect(stage.podOf(stubborn)?.metadata.deletionTimestamp).toBeUndefined();
    await stage.writesOn(stubborn, c, { since: Date.now() });
    expect(await stage.machinesOf(stubborn)).toEqual([c]);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  });

  /** All at once, so that what they wait for passes at the same time. */
  async function failOthers(): Promise<void> {
    await setNodeId(stage.bed.api, b, `${b}-again`);
    await stage.bed.machine(b).powerOff();
    const fail = { kind: 'fail', code: 'INTERNAL' } as const;
    await stage.bed.array.setUnpublishMode(fail, volumeHandle(stubborn));
    stage.bed.machine(c).hangApi();
  }

  async function held(plan: WorkloadPlan, says: string) {
    const pod = { kind: 'Pod', name: stage.podOf(plan)?.metadata.name };
    return await stage.event({ ...pod, reason: 'FailoverHeld', says, withinMs: 30_000 });
  }

  async function waiting(plan: WorkloadPlan, says: string) {
    const pod = { kind: 'Pod', name: stage.podOf(plan)?.metadata.name };
    return await stage.event({ ...pod, reason: 'FailoverWaiting', says, withinMs: 30_000 });
  }

  /** Of the machine where the plan was seated. */
  function attachmentOf({ nodes, name }: WorkloadPlan): VolumeAttachment | undefined {
    return stage
      .all('volumeattachments')
      .find(
        ({ spec }) =>
          spec.nodeName === nodes?.[0] && spec.source.persistentVolumeName === `pv-held-${name}`,
      );
  }

  async function setOutOfService(
    taints: readonly { readonly key: string; readonly value: string; readonly effect: string }[],
  ): Promise<void> {
    const found = stage.bed.foundation.find('nodes', a)?.spec?.taints ?? [];
    const others = found.filter(({ key }) => key !== outOfServiceTaint);
    const spec = { taints: [...others, ...taints] };
    const { object, message } = await stage.bed.api.patch('nodes', { name: a }, { spec });
    if (object === undefined) throw new Error(`node ${a}: ${message}`);
  }
});
