import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { holdFinalizer, outOfServiceTaint } from '../../src/shared/names.ts';
import { volumeHandle } from '../machine/workload-objects.ts';
import {
  ClusterStage,
  defaultSettings,
  fastSettings,
  labelled,
  type Mark,
  sceneOf,
  unlabelled,
} from './stage.ts';

const slow = sceneOf('slow-path', 2);
const [dying = '', haven = ''] = slow.machines;
const web = labelled(slow, 'StatefulSet', 'web');
const leaving = unlabelled(slow, 'StatefulSet', 'leaving', { nodes: [dying] });
/** Detection, and then the 60 s of attach/detach's own sync. */
const slowPathMs = 80_000;

const attachless = sceneOf('attachless', 2);
const [lost = ''] = attachless.machines;
const shared = labelled(attachless, 'Deployment', 'shared', { accessMode: 'ReadWriteMany' });

describe('where the fast path is forbidden, or no fence is to be had', () => {
  let stage: ClusterStage;
  let other: ClusterStage;
  let off: Mark;
  let otherOff: Mark;

  beforeAll(async () => {
    [stage, other] = await Promise.all([
      ClusterStage.open(slow, defaultSettings),
      ClusterStage.open(attachless, {
        ...fastSettings(),
        replicas: 1,
        foundation: { attachRequired: false },
      }),
    ]);
    // As an export that all nodes are let in to, for good.
    await other.bed.array.create(volumeHandle(shared));
    for (const name of attachless.machines) {
      await other.bed.array.publish(volumeHandle(shared), name);
    }
    await Promise.all([stage.seat([web, leaving]), other.seat([shared])]);
    await sleep(5_000);
    off = stage.mark();
    await stage.bed.machine(dying).powerOff();
    // Its kubelet will never say that it has ended.
    const pod = { namespace: slow.namespace, name: 'leaving-0' };
    await stage.bed.api.delete('pods', pod, { gracePeriodSeconds: 5 });
    otherOff = other.mark();
    await other.bed.machine(lost).powerOff();
  }, 180_000);
  afterAll(async () => {
    await Promise.all([stage?.close(), other?.close()]);
  }, 60_000);

  it('19: a driver without attach: held, as nothing can be taken away', async () => {
    const name = other.podOf(shared)?.metadata.name;
    const says = `unfenceable: CSIDriver ${attachless.driverName} is not there with attachRequired`;
    const held = { kind: 'Pod', name, reason: 'FailoverHeld', says, withinMs: 30_000 };
    await other.event(held);
    await sleep(4_000);
    expect(other.touchesSince(otherOff)).toEqual([]);
    expect(await other.machinesOf(shared)).toEqual([lost]);
  }, 60_000);

  it('19: the pod goes on when its machine is back', async () => {
    const since = Date.now();
    const uid = other.podOf(shared)?.metadata.uid;
    await other.bed.machine(lost).boot();
    const { podUid } = await other.writesOn(shared, lost, { since, withinMs: 60_000 });
    expect(podUid).toBe(uid);
    expect(other.touchesSince(otherOff)).toEqual([]);
  }, 90_000);

  it('20: a foreign pod on its way out: moves by the slow path within 80 s', async () => {
    const [moved] = await stage.move([web], dying, 120_000);
    const recoveryMs = (moved?.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - off.at;
    console.info(`first write elsewhere ${(recoveryMs / 1000).toFixed(1)} s after power-off`);
    expect(recoveryMs).toBeLessThanOrEqual(slowPathMs);
    expect(moved?.nodeId).toBe(haven);
  }, 150_000);

  it('20: nothing was torn off the foreign pod', async () => {
    const taints = stage.changes(off).flatMap(({ object }) => {
      const { spec } = object as { spec?: { taints?: readonly { readonly key: string }[] } };
      return spec?.taints ?? [];
    });
    expect(taints.filter(({ key }) => key === outOfServiceTaint)).toEqual([]);
    expect(stage.podOf(leaving)?.metadata.deletionTimestamp).toBeDefined();
    const [attachment] = stage
      .all('volumeattachments')
      .filter(({ spec }) => spec.source.persistentVolumeName === 'pv-slow-path-leaving');
    expect(attachment).toMatchObject({ spec: { nodeName: dying }, status: { attached: true } });
    expect(attachment?.metadata.deletionTimestamp).toBeUndefined();
    expect(attachment?.metadata.finalizers).not.toContain(holdFinalizer);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  });
});
