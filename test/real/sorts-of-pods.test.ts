import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { enabledLabel, holdFinalizer, policyAnnotation } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { writeAgain } from '../scenarios/writes-on.ts';
import { imageNames } from './images.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage, unlabelled } from './real-stage.ts';

const [dying, haven] = ['worker-a', 'worker-b'] as const;
const shared = { accessMode: 'ReadWriteMany' } as const;

const mysql = labelled('mysql', { kind: 'Deployment' });
const rwx = labelled('rwx', { kind: 'Deployment', ...shared });
const movers = [mysql, rwx];
const rwoShared = labelled('rwo-shared');
const sharer = unlabelled('sharer', { kind: 'Deployment', shares: rwoShared });
const plain = unlabelled('plain');
const idle = labelled('idle', { kind: 'Deployment', volumeless: true });
const kept = labelled('kept', {
  kind: 'Deployment',
  annotations: { [policyAnnotation]: 'retain' },
});
const daemon = labelled('daemon', { kind: 'DaemonSet', ...shared, nodes: [dying] });
const bare = labelled('bare', { kind: 'Pod' });
/** Each with the reason for which it must stay, as people read it. */
const stayers: readonly (readonly [WorkloadPlan, string])[] = [
  [rwoShared, 'shared-volume: pod default/sharer-'],
  [kept, 'retain: '],
  [idle, 'not-movable: it has no volume of driver'],
  [daemon, 'not-movable: it belongs to a DaemonSet'],
  [bare, 'not-movable: nothing would create it again'],
];
const staying = [...stayers.map(([plan]) => plan), sharer, plain];
const writing = [...movers, ...staying].filter((plan) => plan !== idle);

describe('a machine that loses its power under all sorts of pods', () => {
  let stage: RealStage;
  /** By uid, before anything happened. */
  let before: ReadonlyMap<string, WorkloadPlan>;
  let offAt: ReturnType<RealStage['mark']>;

  onStage({
    name: 'sorts-of-pods',
    options: { machines: [dying, haven] },
    plans: [...movers, rwoShared],
    begin: async (opened) => {
      stage = opened;
      for (const plan of [...writing, idle]) await stage.bind(plan, dying);
      addStaticPod();
      for (const plan of writing) await stage.writesOn(plan, dying, { withinMs: 120_000 });
      await eventually(() => [idle.name, 'static'].every(isRunning), {
        what: 'pods that do nothing to run',
        withinMs: 60_000,
      });
      before = new Map(staying.map((plan) => [uidOf(plan), plan]));
    },
  });

  function uidOf(plan: WorkloadPlan): string {
    return stage.podOf(plan)?.metadata.uid ?? '';
  }

  function isRunning(app: string): boolean {
    const pods = stage.bed.watch.all('pods');
    const own = pods.filter(({ metadata }) => metadata.labels?.['app'] === app);
    return own.length > 0 && own.every((pod) => pod.status?.phase === 'Running');
  }

  /** One that only its machine knows of. */
  function addStaticPod(): void {
    stage.bed.machine(dying).addStaticPod('static', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'static',
        namespace: 'default',
        labels: { app: 'static', [enabledLabel]: 'true' },
      },
      spec: {
        containers: [{ name: 'static', image: imageNames.pause, imagePullPolicy: 'Never' }],
      },
    });
  }

  /** An Event on the plan's pod. */
  async function told(plan: WorkloadPlan, reason: string, says: string): Promise<void> {
    const name = stage.podOf(plan)?.metadata.name ?? '';
    await stage.event({ kind: 'Pod', name, reason, says, withinMs: 90_000 });
  }

  /** Of ours or of others, what became of the pods that asked to be protected. */
  function movesOfMovers(): readonly string[] {
    return stage
      .movesSince(offAt)
      .filter((move) => movers.some(({ name }) => move.startsWith(`pod ${name}-`)));
  }

  it('says before anything fails which of them would stay, and why', async () => {
    const known = stayers.filter(([plan]) => plan !== idle);
    for (const [plan, says] of known) await told(plan, 'NotProtected', says);
  }, 90_000);

  it('moves nothing while a person says pause', async () => {
    await stage.installation.say({ paused: 'true' });
    offAt = stage.mark();
    await stage.bed.machine(dying).powerOff();
    await told(mysql, 'FailoverHeld', 'paused: ConfigMap csi-failover says paused');
    await sleep(5_000);
    expect(stage.oursSince(offAt)).toEqual([]);
    expect(movesOfMovers()).toEqual([]);
  }, 120_000);

  it('ends no pod while no attacher does what it is asked', async () => {
    await stage.bed.machine(haven).signal('attacher', 'STOP');
    await stage.installation.say({ paused: 'false' });
    for (const plan of movers) {
      await told(plan, 'FailoverWaiting', 'waits for the attacher to unpublish it');
    }
    await sleep(10_000);
    expect(movesOfMovers()).toEqual([]);
  }, 120_000);

  it('moves what shares its volume with nobody when there is one again, RWX too', async () => {
    await stage.bed.machine(haven).signal('attacher', 'CONT');
    for (const plan of movers) await stage.moves(plan, dying, 90_000);
  }, 150_000);

  it.each(stayers.map(([plan, says]) => [plan.name, says, plan] as const))(
    '%s stays: %s',
    async (_name, says, plan) => {
      await told(plan, 'FailoverHeld', says);
    },
    90_000,
  );

  it('says why a static pod does not move', async () => {
    const says = 'not-movable: it is a static pod';
    await stage.event({ kind: 'Pod', name: `static-${dying}`, reason: 'FailoverHeld', says });
  }, 30_000);

  it('leaves those that stay as Kubernetes leaves them', async () => {
    await eventually(() => !stage.bed.isReady(dying), { what: 'NotReady', withinMs: 90_000 });
    for (const [uid, plan] of before) {
      const pod = stage.podOf(plan);
      expect(pod).toMatchObject({ metadata: { uid }, status: { phase: 'Running' } });
      expect(pod?.metadata.deletionTimestamp).toBeUndefined();
    }
    const attachments = stage.bed.watch.all('volumeattachments');
    const left = attachments.filter(({ spec }) => spec.nodeName === dying);
    // Two share one volume, and one has none.
    expect(left).toHaveLength(before.size - 2);
    for (const { metadata, status } of left) {
      expect(metadata.finalizers).not.toContain(holdFinalizer);
      expect(status?.attached).toBe(true);
    }
  }, 120_000);

  it('and when the machine is back, they go on where they were', async () => {
    const going = [...before].filter(([, plan]) => plan !== idle);
    const plans = going.map(([, plan]) => plan);
    expect(await writeAgain(stage, dying, plans, 90_000)).toEqual(going.map(([uid]) => uid));
    await stage.released(120_000);
    expect(stage.episodesSince(offAt)).toBe(1);
    for (const plan of staying) expect(await stage.violations(plan)).toEqual([]);
    for (const plan of movers) await stage.writesOn(plan, haven, { since: Date.now() });
  }, 300_000);

  it('after all that file systems and journals are whole', async () => {
    for (const plan of movers) expect(await stage.damage(plan)).toEqual([]);
  }, 240_000);
});
