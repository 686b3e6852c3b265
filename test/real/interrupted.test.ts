import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { refuseEviction, refuseTaint } from '../e2e/admission.ts';
import { eventually } from '../machine/eventually.ts';
import { claimName, pvName, volumeHandle } from '../machine/workload-objects.ts';
import type { VolumeAttachment } from '../model/objects.ts';
import { isConfirmedHold } from '../scenarios/traces.ts';
import { driverName } from './installation.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';
import { record } from './results.ts';

const machines = ['worker-a', 'worker-b', 'worker-c'] as const;
const web = labelled('web');
const mysql = labelled('mysql', { kind: 'Deployment' });
const pod = { namespace: web.namespace, pod: 'web-0' };
const taint = fencedTaint(driverName);
/** After which PodGC deletes the pods of a node that is not there. */
const podGcQuarantineMs = 40_000;

describe('a failover that something comes between', () => {
  let stage: RealStage;
  /** Where the pod writes: at first where no replica of ours is, so that each has another left. */
  let home = '';
  /** The machine that has failed before: another failover of it would wait for its cooldown. */
  let failed = '';

  onStage({
    name: 'interrupted',
    options: { machines },
    plans: [web, mysql],
    begin: async (opened) => {
      stage = opened;
      const replicas = stage.installation.replicaNodes();
      home = machines.find((name) => !replicas.includes(name)) ?? '';
      await stage.place(web, home);
    },
  });

  function attachment(plan = web): VolumeAttachment | undefined {
    return stage.bed.watch
      .all('volumeattachments')
      .find(
        ({ spec }) => spec.nodeName === home && spec.source.persistentVolumeName === pvName(plan),
      );
  }

  function isFenced(plan = web): boolean {
    return [attachment(plan)].some((one) => one && isConfirmedHold(one));
  }

  async function intended(): Promise<void> {
    await eventually(() => stage.left().some((left) => left.startsWith('record Intent')), {
      what: 'the intent to be written',
      withinMs: 60_000,
    });
  }

  it('the machine is heard again before anything is taken: it is withdrawn', async () => {
    const [mark, uid] = [stage.mark(), stage.podOf(web)?.metadata.uid];
    // The taint comes before the first fence; while it cannot be set nothing is fenced.
    const refusal = await refuseTaint(stage.bed.api, { node: home, taint });
    stage.bed.machine(home).hangApi();
    await intended();
    stage.bed.machine(home).healApi();
    await stage.released(60_000);
    await refusal[Symbol.asyncDispose]();
    await stage.event({ kind: 'Node', name: home, reason: 'FailoverWithdrawn', since: mark.at });
    await stage.writesOn(web, home, { since: Date.now() });
    expect(stage.podOf(web)?.metadata.uid).toBe(uid);
    expect(stage.movesSince(mark)).toEqual([]);
  }, 240_000);

  it('its leader dies, after each step: the next one goes on from there', async () => {
    const mark = stage.mark();
    const from = home;
    failed = from;
    const { installation, bed } = stage;
    await bed.array.setUnpublishMode({ kind: 'slow', delayMs: 3_000 }, volumeHandle(web));
    const noTaint = await refuseTaint(bed.api, { node: from, taint });
    const noEviction = await refuseEviction(bed.api, pod);
    await bed.machine(from).powerOff();

    await intended();
    await installation.killLeader();
    expect(attachment()?.metadata.deletionTimestamp).toBeUndefined();
    await noTaint[Symbol.asyncDispose]();

    await eventually(() => attachment()?.metadata.deletionTimestamp !== undefined, {
      what: 'the fence to be sent',
      withinMs: 60_000,
    });
    await installation.killLeader();
    await eventually(() => isFenced(), {
      what: 'the fence to be confirmed',
      withinMs: 60_000,
    });
    await stage.event({
      kind: 'Pod',
      name: pod.pod,
      reason: 'FailoverWaiting',
      says: 'eviction-refused',
      since: mark.at,
      withinMs: 60_000,
    });
    await installation.killLeader();
    expect(stage.movesSince(mark).filter((move) => move.startsWith('pod web'))).toEqual([]);
    await noEviction[Symbol.asyncDispose]();

    ({ nodeId: home } = await stage.moves(web, from, 90_000));
    await stage.event({ kind: 'Pod', name: pod.pod, reason: 'FailoverCompleted', since: mark.at });
    expect(stage.episodesSince(mark)).toBe(1);
    const what = 'writes elsewhere: one failover, which the next leader goes on with each time';
    record('power lost, and our leader is killed after each step', 'ours', what);
    await bed.array.setUnpublishMode({ kind: 'honest' }, volumeHandle(web));
    await bed.machine(from).boot();
    await stage.released(120_000);
    await installation.ready();
  }, 500_000);

  it('the Node is deleted while its pod writes: refused before PodGC acts, and moved', async () => {
    const mark = stage.mark();
    const from = home;
    await stage.cordon([failed], true);
    await stage.bed.api.delete('nodes', { name: from }, { gracePeriodSeconds: 0 });
    await stage.refused(web, from, mark.at);
    expect(Date.now() - mark.at).toBeLessThan(podGcQuarantineMs);
    const about = { kind: 'PersistentVolumeClaim', name: claimName(web), since: mark.at };
    await stage.event({ ...about, reason: 'VolumeFenced' });
    // Without a Node there is no fast path: attach/detach looks at its volumes once a minute.
    ({ nodeId: home } = await stage.moves(web, from, 120_000));
    await stage.event({ ...about, reason: 'FailoverCompleted' });
    await stage.cordon([failed], false);
    // A kubelet whose Node was deleted registers again when it is started again.
    await stage.bed.machine(from).restartKubelet();
    await stage.installation.ready();
    await stage.released(120_000);
    expect(await stage.bed.machine(from).workloads()).toEqual([]);
    await sleep(5_000);
    await stage.writesOn(web, home, { since: Date.now() });
  }, 400_000);

  it('the API server crashes while one of two volumes is fenced: both pods move', async () => {
    await stage.place(mysql, home);
    const mark = stage.mark();
    const from = home;
    await stage.bed.array.setUnpublishMode({ kind: 'slow', delayMs: 4_000 }, volumeHandle(mysql));
    await stage.bed.machine(from).powerOff();
    await eventually(() => isFenced(), { what: 'the first fence', withinMs: 60_000 });
    expect(isFenced(mysql)).toBe(false);
    const server = stage.bed.cluster.component('kube-apiserver');
    await server.kill();
    await server.start();
    for (const plan of [web, mysql]) {
      await stage.moves(plan, from, 90_000);
      const about = { kind: 'PersistentVolumeClaim', name: claimName(plan), since: mark.at };
      await stage.event({ ...about, reason: 'FailoverCompleted' });
    }
    await stage.bed.machine(from).boot();
    await stage.released(120_000);
    expect(stage.episodesSince(mark)).toBe(1);
  }, 450_000);

  it('after all that file systems and journals are whole', async () => {
    for (const plan of [web, mysql]) expect(await stage.damage(plan)).toEqual([]);
  }, 240_000);
});
