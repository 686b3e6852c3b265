import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { enabledLabel, holdFinalizer, policyAnnotation } from '../../src/shared/names.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import { conditionStatus } from '../model/conditions.ts';
import { writeAgain } from '../scenarios/writes-on.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf, unlabelled } from './stage.ts';

const scene = sceneOf('sorts', 2);
const [dying = '', haven = ''] = scene.machines;
const shared = { accessMode: 'ReadWriteMany' } as const;

const rwo = labelled(scene, 'StatefulSet', 'rwo');
const rwx = labelled(scene, 'Deployment', 'rwx', shared);
const rwxShared = labelled(scene, 'Deployment', 'rwx-shared', shared);
const rwoShared = labelled(scene, 'StatefulSet', 'rwo-shared');
const others = [
  unlabelled(scene, 'Deployment', 'sharer-of-rwx', { shares: rwxShared }),
  unlabelled(scene, 'Deployment', 'sharer-of-rwo', { shares: rwoShared }),
  unlabelled(scene, 'StatefulSet', 'plain'),
  unlabelled(scene, 'Deployment', 'plain-too'),
];
const idle = labelled(scene, 'Deployment', 'idle', { volumeless: true });
const movers = [rwo, rwx];
/** Each with the reason for which it must stay, as people read it. */
const stayers: readonly (readonly [WorkloadPlan, string])[] = [
  [rwxShared, 'shared-volume: pod sorts/sharer-of-rwx-'],
  [rwoShared, 'shared-volume: pod sorts/sharer-of-rwo-'],
  [
    labelled(scene, 'Deployment', 'kept', { annotations: { [policyAnnotation]: 'retain' } }),
    'retain: ',
  ],
  [idle, 'not-movable: it has no volume of driver sorts.csi.test'],
  [
    labelled(scene, 'DaemonSet', 'daemon', { ...shared, nodes: [dying] }),
    'not-movable: it belongs to a DaemonSet',
  ],
  [labelled(scene, 'Pod', 'bare'), 'not-movable: nothing would create it again'],
  [
    labelled(scene, 'StatefulSet', 'tolerant', {
      nodes: [dying],
      tolerations: [{ operator: 'Exists' }],
    }),
    'not-movable: it tolerates every taint',
  ],
];

describe('a machine that dies under all sorts of pods', () => {
  let stage: ClusterStage;
  let off: Mark;
  /** By their uids, before anything happened. */
  let before: ReadonlyMap<string, WorkloadPlan>;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings());
    const staying = stayers.map(([plan]) => plan);
    await stage.seat([...movers, ...staying.filter((plan) => plan !== idle), ...others]);
    await stage.bed.cordon([haven], true);
    await stage.bed.addWorkload(idle);
    await addStaticPod();
    await eventually(() => [idle.name, 'static'].every(isRunning), { what: 'idle pods to run' });
    await stage.bed.cordon([haven], false);
    before = new Map([...staying, ...others].map((plan) => [uidOf(plan), plan]));
    off = stage.mark();
    await stage.bed.machine(dying).powerOff();
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('10: moves what shares its volume with nobody, RWX too, fenced before it is replaced', async () => {
    await stage.move(movers, dying, 30_000);
    const records = await stage.bed.array.records();
    for (const plan of movers) {
      const calls = records.filter(({ handle }) => handle === volumeHandle(plan));
      const words = calls.map(({ call, nodeId, answer }) => `${call} ${nodeId} ${answer}`);
      // The attacher may say the same twice.
      expect([...new Set(words)]).toEqual([
        'create  ok',
        `publish ${dying} ok`,
        `unpublish ${dying} ok`,
        `publish ${haven} ok`,
      ]);
    }
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  }, 60_000);

  it.each(stayers.map(([plan, says]) => [plan.name, says, plan] as const))(
    '10, 11: %s stays: %s',
    async (_name, says, plan) => {
      const name = stage.podOf(plan)?.metadata.name;
      await stage.event({ kind: 'Pod', name, reason: 'FailoverHeld', says });
    },
  );

  it('11: says why a static pod does not move', async () => {
    const says = 'not-movable: it is a static pod';
    await stage.event({ kind: 'Pod', name: `static-${dying}`, reason: 'FailoverHeld', says });
  });

  it('18: leaves all others as Kubernetes leaves them', async () => {
    const says = { what: 'Kubernetes to see that its kubelet is gone', withinMs: 90_000 };
    await eventually(() => readyOf(dying) === 'Unknown', says);
    await sleep(2_000);
    for (const [uid, plan] of before) {
      const pod = stage.podOf(plan);
      expect(pod).toMatchObject({ metadata: { uid }, status: { phase: 'Running' } });
      expect(pod?.metadata.deletionTimestamp).toBeUndefined();
    }
    const names = [...before.values()].map(({ name }) => name);
    const moves = stage.movesSince(off);
    expect(moves.filter((move) => names.some((name) => move.includes(name)))).toEqual([]);
    const attached = stage.all('volumeattachments').filter(({ spec }) => spec.nodeName === dying);
    expect(attached).toHaveLength(8);
    for (const { metadata, status } of attached) {
      expect(metadata.finalizers).not.toContain(holdFinalizer);
      expect(status?.attached).toBe(true);
    }
    const told = (await stage.events()).filter(({ from }) => from.includes('csi-failover'));
    expect(told.filter(({ name }) => others.some((plan) => name.includes(plan.name)))).toEqual([]);
  }, 120_000);

  it('and when the machine is back, they go on where they were', async () => {
    const going = [...before].filter(([, plan]) => plan !== idle);
    const plans = going.map(([, plan]) => plan);
    expect(await writeAgain(stage, dying, plans, 60_000)).toEqual(going.map(([uid]) => uid));
    await stage.released(90_000);
    expect(stage.episodes()).toHaveLength(1);
    expect(await stage.violations()).toEqual([]);
  }, 120_000);

  function uidOf(plan: WorkloadPlan): string {
    return stage.podOf(plan)?.metadata.uid ?? '';
  }

  function isRunning(app: string): boolean {
    const pods = stage.all('pods').filter(({ metadata }) => metadata.labels?.['app'] === app);
    return pods.length > 0 && pods.every((pod) => pod.status?.phase === 'Running');
  }

  function readyOf(node: string): string | undefined {
    const found = stage.bed.foundation.find('nodes', node);
    return found && conditionStatus(found, 'Ready');
  }

  /** As the kubelet shows a static pod of its machine: a mirror pod. */
  async function addStaticPod(): Promise<void> {
    const { uid = '' } = stage.bed.foundation.find('nodes', dying)?.metadata ?? {};
    using kubelet = new ApiClient(await stage.cluster.access({ node: dying }));
    const { message, status } = await kubelet.create('pods', {
      metadata: {
        name: `static-${dying}`,
        namespace: scene.namespace,
        labels: { app: 'static', [enabledLabel]: 'true' },
        annotations: { 'kubernetes.io/config.mirror': 'of a file' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: dying, uid, controller: true }],
      },
      spec: {
        nodeName: dying,
        containers: [{ name: 'static', image: 'example.test/static:1' }],
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
      },
    });
    if (status !== 201) throw new Error(`the mirror pod: ${message}`);
  }
});
