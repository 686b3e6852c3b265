/**
 * In which order the controllers do things when nobody has failed, and after one of them was
 * restarted in the middle of a fence: the same scripts for the modelled ones and the real ones.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdFinalizer, outOfServiceTaint } from '../../src/shared/names.ts';
import type { MachineBed } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import type { Foundation } from '../machine/foundation.ts';
import { volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import { attachmentName } from '../model/attachment-name.ts';
import type { NodeTaint, Pod } from '../model/objects.ts';
import { BedStage } from '../scenarios/bed-stage.ts';
import { inOrder, storyOf } from './story.ts';
import { taintNode } from './taint-node.ts';

export const driverName = 'restart.csi.test';
/** The second one loses power. */
export const machines = ['rst-live', 'rst-dead', 'rst-other'];

export interface Restartable {
  readonly bed: MachineBed<Foundation>;
  /** A new kube-controller-manager, which has forgotten everything. */
  readonly restartControllers: () => Promise<void>;
}

const keepAway: NodeTaint = { key: 'contract.test/keep-away', effect: 'NoSchedule' };
const outOfService: NodeTaint = { key: outOfServiceTaint, value: 'test', effect: 'NoSchedule' };

function plan(name: string): WorkloadPlan {
  return { kind: 'StatefulSet', namespace: 'restart', name, driverName, nodes: machines };
}

const leaving = plan('leaving');
const held = plan('held');

export function restartSuite(open: () => Promise<Restartable>): void {
  let stage: BedStage<Foundation>;
  let restartControllers: Restartable['restartControllers'];

  beforeAll(async () => {
    const opened = await open();
    ({ restartControllers } = opened);
    stage = new BedStage(opened.bed, 'restart');
    await stage.bed.bootAll();
    await stage.place([leaving], 'rst-live');
    await stage.place([held], 'rst-dead');
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  function texts(of: WorkloadPlan, node: string): readonly string[] {
    return storyOf(of, stage.bed.changes, node).map(({ text }) => text);
  }

  function podOf(of: WorkloadPlan): Pod {
    const pod = stage.podOf(of);
    if (pod === undefined) throw new Error(`no pod of ${of.name}`);
    return pod;
  }

  async function until(of: WorkloadPlan, node: string, text: string): Promise<void> {
    await eventually(() => texts(of, node).includes(text), { what: text, withinMs: 60_000 });
  }

  describe('a pod that is deleted on a node that works', () => {
    it('goes, its volume is detached and attached elsewhere, and only then the next one runs', async () => {
      await taintNode(stage.bed.api, 'rst-live', [keepAway]);
      const { namespace, name, uid } = podOf(leaving).metadata;
      await stage.bed.api.delete('pods', { namespace, name }, { uid, gracePeriodSeconds: 30 });
      await until(leaving, 'rst-live', 'pod 2: Running');
      const lines = storyOf(leaving, stage.bed.changes, 'rst-live');
      const pods = ['pod 1: terminating', 'pod 1: gone', 'pod 2: made', 'pod 2: on new'];
      expect(inOrder(lines, [...pods, 'pod 2: Running'])).toBe('');
      expect(
        inOrder(lines, [
          'pod 1: terminating',
          'node old: no longer lists the volume',
          'attachment old: deleted',
          'attachment old: gone',
          'attachment new: made',
          'attachment new: attached',
          'pod 2: Running',
        ]),
      ).toBe('');
    }, 90_000);
  });

  describe('a kube-controller-manager that begins anew in the middle of a fence', () => {
    it('leaves the hold alone, although the pod is still there and wants its volume', async () => {
      const { api, foundation } = stage.bed;
      await stage.bed.machine('rst-dead').powerOff();
      const attachment = attachmentName(volumeHandle(held), driverName, 'rst-dead');
      const { object } = await api.get('volumeattachments', { name: attachment });
      const uid = object?.metadata.uid;
      const finalizers = [...(object?.metadata.finalizers ?? []), holdFinalizer];
      await api.patch('volumeattachments', { name: attachment }, { metadata: { finalizers } });
      await api.delete('volumeattachments', { name: attachment }, { uid, gracePeriodSeconds: 0 });
      await until(held, 'rst-dead', 'attachment old: let go by the attacher');
      await restartControllers();
      await sleep(15_000);
      const left = foundation.find('volumeattachments', attachment)?.metadata;
      expect(left).toMatchObject({ uid, finalizers: [holdFinalizer] });
      const kept = ['attachment new: made', 'attachment old: gone', 'pod 1: gone'];
      for (const text of kept) expect(texts(held, 'rst-dead')).not.toContain(text);
    }, 120_000);

    it('goes on from there, once the pod and the hold are gone', async () => {
      const { api } = stage.bed;
      const attachment = attachmentName(volumeHandle(held), driverName, 'rst-dead');
      await taintNode(stage.bed.api, 'rst-dead', [keepAway, outOfService]);
      const { namespace, name, uid } = podOf(held).metadata;
      const failed = { metadata: { uid }, status: { phase: 'Failed' } };
      await api.patch('pods', { namespace, name, subresource: 'status' }, failed);
      await until(held, 'rst-dead', 'pod 1: gone');
      await api.patch(
        'volumeattachments',
        { name: attachment },
        { metadata: { finalizers: null } },
      );
      await until(held, 'rst-dead', 'pod 2: Running');
      const lines = storyOf(held, stage.bed.changes, 'rst-dead');
      expect(
        inOrder(lines, [
          'attachment old: held',
          'attachment old: deleted',
          'attachment old: let go by the attacher',
          'pod 1: Failed',
          'pod 1: gone',
          'attachment old: gone',
          'attachment new: made',
          'attachment new: attached',
          'pod 2: Running',
        ]),
      ).toBe('');
      const made = texts(held, 'rst-dead').filter((text) => text === 'attachment old: made');
      expect(made).toHaveLength(1);
    }, 120_000);
  });
}
