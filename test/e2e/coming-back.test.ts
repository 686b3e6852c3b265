import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import { claimName, volumeHandle } from '../machine/workload-objects.ts';
import { refuseTaint } from './admission.ts';
import { ClusterStage, fastSettings, labelled, sceneOf } from './stage.ts';

const scene = sceneOf('back', 5);
const [same = '', rebooted = '', deleted = '', rejoining = '', haven = ''] = scene.machines;
const onSame = labelled(scene, 'StatefulSet', 'on-same', { nodes: [same, haven] });
const onRebooted = labelled(scene, 'StatefulSet', 'on-rebooted', { nodes: [rebooted, haven] });
const onDeleted = labelled(scene, 'StatefulSet', 'on-deleted', { nodes: [deleted, haven] });
const onRejoining = labelled(scene, 'StatefulSet', 'on-rejoining', { nodes: [rejoining, haven] });
const taint = fencedTaint(scene.driverName);
/** After which PodGC deletes the pods of a node that is not there. */
const podGcQuarantineMs = 40_000;
/** Without a Node there is no fast path: attach/detach looks at its volumes once a minute. */
const slowPathMs = 80_000;

describe('nodes that come back, or do not', () => {
  let stage: ClusterStage;
  let deletedAt = 0;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings('--max-lost-nodes=100%'));
    await stage.seat([onSame, onRebooted, onDeleted, onRejoining]);
    await sleep(3_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('7: the Node object is deleted: fenced before PodGC acts', async () => {
    const { at } = stage.mark();
    deletedAt = at;
    await stage.bed.api.delete('nodes', { name: deleted }, { gracePeriodSeconds: 0 });
    // Nobody told the machine: it writes until it is fenced.
    await stage.rejected(onDeleted, deleted);
    expect(Date.now() - deletedAt).toBeLessThan(podGcQuarantineMs);
    const claim = { kind: 'PersistentVolumeClaim', name: claimName(onDeleted) };
    await stage.event({ ...claim, reason: 'VolumeFenced' });
    await stage.event({ ...claim, reason: 'FailoverCompleted' });
    // A kubelet whose Node was deleted registers again when it is started again.
    await stage.bed.machine(deleted).restartKubelet();
  }, 60_000);

  it('6: machines fail that will be back with the same and with a new boot id', async () => {
    stage.bed.machine(same).hangApi();
    await stage.bed.machine(rebooted).powerOff();
    await Promise.all([
      stage.move([onSame], same, 30_000),
      stage.move([onRebooted], rebooted, 30_000),
    ]);
    // Nothing can be unmounted on this one for now.
    stage.bed.machine(same).freezePlugin(true);
    stage.bed.machine(same).healApi();
    await stage.bed.machine(rebooted).boot();
  }, 60_000);

  describe('8: a node that is cut off from the API and rejoins', () => {
    it('before the fence: the intent is withdrawn, nothing moves, nothing is left', async () => {
      const mark = stage.mark();
      const machine = stage.bed.machine(rejoining);
      // The taint comes before the first fence; while it cannot be set nothing is fenced.
      await using _ = await refuseTaint(stage.bed.api, { node: rejoining, taint });
      machine.cutApi();
      await eventually(() => stage.leftOn([rejoining]).some((left) => left.includes('Intent')), {
        what: 'the intent to be written',
        withinMs: 30_000,
      });
      await sleep(1_000);
      machine.healApi();
      await stage.releasedOf([rejoining], 30_000);
      await stage.event({ kind: 'Node', name: rejoining, reason: 'FailoverWithdrawn' });
      const since = Date.now();
      await sleep(2_000);
      expect(stage.movesSince(mark).filter((move) => move.includes(onRejoining.name))).toEqual([]);
      expect(stage.leftOn([rejoining])).toEqual([]);
      await stage.writesOn(onRejoining, rejoining, { since });
    }, 90_000);

    it('after the fence was sent: it is finished, and the node is given back', async () => {
      const machine = stage.bed.machine(rejoining);
      const { bootId } = machine;
      const delayMs = 8_000;
      await stage.bed.array.setUnpublishMode({ kind: 'slow', delayMs }, volumeHandle(onRejoining));
      const pod = { kind: 'Pod', name: stage.podOf(onRejoining)?.metadata.name };
      machine.cutApi();
      await stage.event({
        ...pod,
        reason: 'FailoverWaiting',
        says: 'fence-unconfirmed',
        withinMs: 30_000,
      });
      machine.healApi();
      const [moved] = await stage.move([onRejoining], rejoining, 30_000);
      expect(moved?.podUid).not.toBe(undefined);
      await stage.releasedOf([rejoining], 90_000);
      expect(machine.bootId).toBe(bootId);
      expect(await machine.workloads()).toEqual([]);
    }, 160_000);
  });

  it('7: the pod of the deleted node runs elsewhere when attach/detach has looked', async () => {
    const [moved] = await stage.move([onDeleted], deleted, 60_000);
    const movedMs = (moved?.firstAcceptedAt ?? Number.POSITIVE_INFINITY) - deletedAt;
    expect(movedMs).toBeLessThan(slowPathMs);
  }, 70_000);

  it('6: each is given back once it is clean, and not before', async () => {
    await stage.releasedOf([rebooted, deleted], 60_000);
    // For longer than the others needed.
    expect(stage.taints(same)).toContain(taint);
    stage.bed.machine(same).freezePlugin(false);
    await stage.released(60_000);
    for (const name of [same, rebooted]) {
      const { status } = stage.bed.foundation.find('nodes', name) ?? {};
      expect(status?.nodeInfo?.bootID).toBe(stage.bed.machine(name).bootId);
      expect(status?.volumesInUse ?? []).toEqual([]);
      await stage.event({ kind: 'Node', name, reason: 'NodeReleased' });
    }
  }, 130_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  });
});
