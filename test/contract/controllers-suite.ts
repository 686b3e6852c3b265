/**
 * What csi-failover relies on in Kubernetes' controllers and in external-attacher, as tests that
 * run against any: the modelled ones and the real ones. All scripts are played at the same time;
 * the real controllers' times are minutes.
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
import { between, inOrder, type Line, storyOf } from './story.ts';
import { taintNode } from './taint-node.ts';

export const driverName = 'controllers.csi.test';
/** The first three lose power, the fourth registers its driver under another node id. */
export const machines = [
  'ctl-evicted',
  'ctl-wanted',
  'ctl-deleted',
  'ctl-renamed',
  'ctl-x',
  'ctl-y',
];

const keepAway: NodeTaint = { key: 'contract.test/keep-away', effect: 'NoSchedule' };
const outOfService: NodeTaint = { key: outOfServiceTaint, value: 'test', effect: 'NoSchedule' };
const second = 1_000;

function plan(name: string, kind: WorkloadPlan['kind'] = 'StatefulSet'): WorkloadPlan {
  return { kind, namespace: 'controllers', name, driverName, nodes: machines };
}

const fast = plan('fast');
const replica = plan('replica', 'Deployment');
const failing = plan('failing');
const wanted = plan('wanted');
const held = plan('held');
const undone = plan('undone');
const orphan = plan('orphan');
const renamed = plan('renamed');
const single = plan('single', 'Deployment');
const shared = { ...plan('shared', 'Deployment'), accessMode: 'ReadWriteMany' } as const;

export function controllersSuite(open: () => Promise<MachineBed<Foundation>>): void {
  let stage: BedStage<Foundation>;
  let scripts: Readonly<Record<string, Promise<unknown>>>;
  let powerOffAt = 0;

  beforeAll(async () => {
    stage = new BedStage(await open(), 'controllers');
    await stage.bed.bootAll();
    await stage.place([fast, replica, failing, single, shared], 'ctl-evicted');
    await stage.place([wanted, held, undone], 'ctl-wanted');
    await stage.place([orphan], 'ctl-deleted');
    await stage.place([renamed], 'ctl-renamed');
    await stage.bed.array.setUnpublishMode(
      { kind: 'fail', code: 'INTERNAL' },
      volumeHandle(failing),
    );
    powerOffAt = Date.now();
    const dead = ['ctl-evicted', 'ctl-wanted', 'ctl-deleted'];
    await Promise.all(dead.map((name) => stage.bed.machine(name).powerOff()));
    // The dead ones are Ready for a while: without it, a replacement may be sent to one of them.
    for (const name of ['ctl-wanted', 'ctl-deleted', 'ctl-renamed']) {
      await taintNode(stage.bed.api, name, [keepAway]);
    }
    await taintNode(stage.bed.api, 'ctl-evicted', [keepAway, outOfService]);
    scripts = {
      evicted: playEvicted(),
      ended: playEnded(),
      wanted: playWanted(),
      held: playHeld(),
      undone: playUndone(),
      orphan: playOrphan(),
      renamed: playRenamed(),
    };
    // Each is awaited, and its failure told, by its own test.
    for (const script of Object.values(scripts)) script.catch(() => undefined);
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  function attachment(of: WorkloadPlan, node: string): string {
    return attachmentName(volumeHandle(of), driverName, node);
  }

  /** As csi-failover evicts: the phase, then the object, both of this very pod. */
  async function evict(pod: Pod): Promise<number> {
    const { api } = stage.bed;
    const { namespace, name, uid } = pod.metadata;
    const failed = { metadata: { uid }, status: { phase: 'Failed' } };
    await api.patch('pods', { namespace, name, subresource: 'status' }, failed);
    await sleep(2 * second);
    return (await api.delete('pods', { namespace, name }, { uid, gracePeriodSeconds: 0 })).status;
  }

  function podOf(of: WorkloadPlan): Pod {
    const pod = stage.podOf(of);
    if (pod === undefined) throw new Error(`no pod of ${of.name}`);
    return pod;
  }

  async function deleteAttachment(name: string): Promise<void> {
    const { api } = stage.bed;
    const uid = (await api.get('volumeattachments', { name })).object?.metadata.uid;
    await api.delete('volumeattachments', { name }, { uid, gracePeriodSeconds: 0 });
  }

  /** How often the driver was told to publish the volume to the node since the power went. */
  async function publishes(of: WorkloadPlan, nodeId: string): Promise<number> {
    const records = await stage.bed.array.records();
    return records.filter(
      (one) =>
        one.call === 'publish' &&
        one.handle === volumeHandle(of) &&
        one.nodeId === nodeId &&
        one.time >= powerOffAt,
    ).length;
  }

  async function playEvicted(): Promise<readonly number[]> {
    const pods = [fast, replica, failing].map((one) => podOf(one));
    const answers = await Promise.all(pods.map((pod) => evict(pod)));
    await sleep(6 * second);
    for (const one of [fast, replica]) await until(one, 'pod 2: Running');
    await until(failing, 'attachment new: attached');
    return answers;
  }

  /** A real attacher makes five requests a second: with many volumes the last one waits. */
  async function until(of: WorkloadPlan, text: string): Promise<void> {
    const reached = (): boolean => texts(of, 'ctl-evicted').includes(text);
    await eventually(reached, { what: `${of.name}: ${text}`, withinMs: 20 * second });
  }

  /** Deleted as anybody would, on a machine that is dead, so that nobody ends them. */
  async function playEnded(): Promise<void> {
    for (const { metadata } of [single, shared].map((one) => podOf(one))) {
      const { namespace, name, uid } = metadata;
      const options = { uid, gracePeriodSeconds: 30 };
      await stage.bed.api.delete('pods', { namespace, name }, options);
    }
    await sleep(6 * second);
    await until(shared, 'pod 2: Running');
    const old = 'attachment old: deleted';
    const next = 'attachment new: made';
    expect(texts(single, 'ctl-evicted')).toContain('pod 2: on new');
    for (const text of [old, next]) expect(texts(single, 'ctl-evicted')).not.toContain(text);
    const order = ['pod 1: terminating', 'pod 2: made', next, 'pod 2: Running'];
    expect(inOrder(story(shared, 'ctl-evicted'), order)).toBe('');
    for (const text of [old, 'pod 1: gone']) {
      expect(texts(shared, 'ctl-evicted')).not.toContain(text);
    }
  }

  async function playWanted(): Promise<void> {
    const name = attachment(wanted, 'ctl-wanted');
    await deleteAttachment(name);
    await eventually(() => stage.bed.foundation.find('volumeattachments', name) === undefined, {
      what: 'the attachment to be gone',
    });
    await eventually(async () => (await publishes(wanted, 'ctl-wanted')) > 0, {
      what: 'the volume to be published again',
      withinMs: 70 * second,
      everyMs: second,
    });
  }

  async function playHeld(): Promise<void> {
    const { api, foundation } = stage.bed;
    const name = attachment(held, 'ctl-wanted');
    const { object } = await api.get('volumeattachments', { name });
    const finalizers = [...(object?.metadata.finalizers ?? []), holdFinalizer];
    await api.patch('volumeattachments', { name }, { metadata: { finalizers } });
    await deleteAttachment(name);
    await sleep(75 * second);
    const left = foundation.find('volumeattachments', name)?.metadata;
    expect(left).toMatchObject({ uid: object?.metadata.uid, finalizers: [holdFinalizer] });
    expect(await publishes(held, 'ctl-wanted')).toBe(0);
    await taintNode(stage.bed.api, 'ctl-wanted', [outOfService]);
    void evict(podOf(held));
    const signs = ['node old: no longer lists the volume', 'pod 1: gone'];
    await eventually(() => signs.every((sign) => texts(held, 'ctl-wanted').includes(sign)), {
      what: signs.join(' and '),
    });
    await api.patch('volumeattachments', { name }, { metadata: { finalizers: null } });
    await eventually(() => texts(held, 'ctl-wanted').includes('pod 2: Running'), {
      what: 'the pod to run elsewhere',
    });
  }

  async function playUndone(): Promise<void> {
    await stage.bed.array.unpublish(volumeHandle(undone), 'ctl-wanted');
    await eventually(async () => (await publishes(undone, 'ctl-wanted')) > 0, {
      what: 'the attacher to publish again',
      withinMs: 80 * second,
      everyMs: second,
    });
  }

  async function playOrphan(): Promise<void> {
    const { api } = stage.bed;
    const { object } = await api.get('nodes', { name: 'ctl-deleted' });
    const options = { uid: object?.metadata.uid, gracePeriodSeconds: 0 };
    await api.delete('nodes', { name: 'ctl-deleted' }, options);
    await eventually(() => texts(orphan, 'ctl-deleted').includes('pod 1: gone'), {
      what: 'PodGC to collect the pod',
      withinMs: 90 * second,
      everyMs: second,
    });
  }

  async function playRenamed(): Promise<void> {
    const { api } = stage.bed;
    const drivers = [{ name: driverName, nodeID: 'id-new' }];
    await stage.bed.machine('ctl-renamed').killKubelet();
    for (const list of [[], drivers]) {
      await api.patch('csinodes', { name: 'ctl-renamed' }, { spec: { drivers: list } });
    }
    // Let the attacher hear of it.
    await sleep(2 * second);
    await deleteAttachment(attachment(renamed, 'ctl-renamed'));
    await eventually(() => texts(renamed, 'ctl-renamed').includes('attachment old: gone'), {
      what: 'the attachment to be gone',
    });
  }

  function story(of: WorkloadPlan, node: string): readonly Line[] {
    return storyOf(of, stage.bed.changes, node);
  }

  function texts(of: WorkloadPlan, node: string): readonly string[] {
    return story(of, node).map(({ text }) => text);
  }

  describe('attach/detach', () => {
    it('detaches from a node that is out of service as soon as the pod has failed', async () => {
      await scripts['evicted'];
      const lines = story(fast, 'ctl-evicted');
      expect(
        inOrder(lines, [
          'pod 1: Failed',
          'node old: no longer lists the volume',
          'attachment old: deleted',
          'attachment new: made',
          'attachment new: attached',
          'pod 2: Running',
        ]),
      ).toBe('');
      expect(between(lines, 'pod 1: Failed', 'attachment old: deleted')).toBeLessThan(second);
    }, 30_000);

    it('attaches elsewhere after a detach has failed, though nobody let go', async () => {
      await scripts['evicted'];
      const lines = story(failing, 'ctl-evicted');
      expect(
        inOrder(lines, [
          'pod 1: Failed',
          'attachment old: deleted',
          'attachment old: detach failed',
          'attachment new: made',
          'attachment new: attached',
        ]),
      ).toBe('');
      expect(texts(failing, 'ctl-evicted')).not.toContain('attachment old: gone');
      const later = between(lines, 'attachment old: detach failed', 'attachment new: made');
      expect(later).toBeLessThan(3 * second);
    }, 30_000);

    it('holds the next pod back for a volume that one node may have, and for no other', async () => {
      await scripts['ended'];
    }, 30_000);

    it('attaches again what a pod wants, when its attachment was deleted', async () => {
      await scripts['wanted'];
      expect(
        inOrder(story(wanted, 'ctl-wanted'), [
          'attachment old: attached',
          'attachment old: deleted',
          'attachment old: gone',
          'attachment old: made',
        ]),
      ).toBe('');
    }, 90_000);

    it('leaves a hold alone for 75 s, and goes on when the pod and the hold are gone', async () => {
      await scripts['held'];
      const lines = story(held, 'ctl-wanted');
      expect(
        inOrder(lines, [
          'attachment old: held',
          'attachment old: deleted',
          'attachment old: let go by the attacher',
          // The verify sync forgets it, though the pod still wants it.
          'node old: no longer lists the volume',
          'pod 1: Failed',
          'pod 1: gone',
          'attachment old: gone',
          'pod 2: Running',
        ]),
      ).toBe('');
      const made = texts(held, 'ctl-wanted').filter((text) => text === 'attachment old: made');
      expect(made).toHaveLength(1);
    }, 120_000);
  });

  describe('external-attacher', () => {
    it('publishes again what was unpublished behind its back', async () => {
      await scripts['undone'];
      expect(texts(undone, 'ctl-wanted')).not.toContain('attachment old: deleted');
    }, 100_000);

    it('unpublishes the id that CSINode has now, and calls it done', async () => {
      await scripts['renamed'];
      const calls = (await stage.bed.array.records()).filter(
        ({ handle, call }) => handle === volumeHandle(renamed) && call === 'unpublish',
      );
      expect(calls[0]).toMatchObject({ nodeId: 'id-new', answer: 'ok' });
      const volumes = await stage.bed.array.volumes();
      const volume = volumes.find(({ handle }) => handle === volumeHandle(renamed));
      expect(volume?.publishedNodes).toContain('ctl-renamed');
    }, 30_000);
  });

  describe('the owners of a failed pod', () => {
    it('StatefulSet: deletes and replaces it by itself, so that our DELETE comes too late', async () => {
      const answers = (await scripts['evicted']) as readonly number[];
      expect(
        inOrder(story(fast, 'ctl-evicted'), [
          'pod 1: Failed',
          'pod 1: gone',
          'pod 2: made',
          'pod 2: on new',
        ]),
      ).toBe('');
      expect(answers[0]).toBe(409);
    }, 30_000);

    it('ReplicaSet: replaces it at once, and leaves it there', async () => {
      const answers = (await scripts['evicted']) as readonly number[];
      expect(
        inOrder(story(replica, 'ctl-evicted'), [
          'pod 1: Failed',
          'pod 2: made',
          'pod 2: on new',
          'pod 1: gone',
        ]),
      ).toBe('');
      expect(answers[1]).toBe(200);
    }, 30_000);
  });

  describe('a node that takes no pods', () => {
    it('is tainted as long as it is cordoned', async () => {
      const tainted = (): boolean =>
        stage.bed.foundation
          .find('nodes', 'ctl-y')
          ?.spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/unschedulable') === true;
      await stage.bed.cordon(['ctl-y'], true);
      await eventually(() => tainted(), { what: 'the taint' });
      await stage.bed.cordon(['ctl-y'], false);
      await eventually(() => !tainted(), { what: 'the taint to go' });
    }, 40_000);
  });

  describe('a node that is gone', () => {
    it('turns unknown after about 50 s, is tainted, and its pods are not ready', async () => {
      const node = await eventually(
        () => {
          const found = stage.bed.foundation.find('nodes', 'ctl-wanted');
          const keys = found?.spec?.taints?.map(({ key, effect }) => `${key}:${effect}`) ?? [];
          return keys.includes('node.kubernetes.io/unreachable:NoSchedule') && found;
        },
        { what: 'the taint unreachable', withinMs: 70 * second },
      );
      const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
      expect(ready).toMatchObject({ status: 'Unknown', reason: 'NodeStatusUnknown' });
      const silentMs = Date.parse(ready?.lastTransitionTime ?? '') - powerOffAt;
      expect(silentMs).toBeGreaterThan(38 * second);
      expect(silentMs).toBeLessThan(62 * second);
      const conditions = podOf(undone).status?.conditions;
      expect(conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
    }, 90_000);

    it('and whose Node was deleted loses its pods to PodGC after 40 s', async () => {
      await scripts['orphan'];
      const lines = story(orphan, 'ctl-deleted');
      expect(
        inOrder(lines, ['node old: gone', 'pod 1: Failed', 'pod 1: gone', 'pod 2: made']),
      ).toBe('');
      const waited = between(lines, 'node old: gone', 'pod 1: gone');
      expect(waited).toBeGreaterThan(35 * second);
      expect(waited).toBeLessThan(70 * second);
    }, 120_000);
  });
}
