import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { pvName } from '../machine/workload-objects.ts';
import { labelled, RealStage } from './real-stage.ts';

const [a, b] = ['worker-a', 'worker-b'] as const;
const web = labelled('web');
const container = '/spec/template/spec/containers/0';

describe('a machine whose kubelet comes back and does not unmount a volume', () => {
  let stage: RealStage;

  beforeAll(async () => {
    stage = await RealStage.open('cleaning', { machines: [a, b], variant: 'standalone' });
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  /** Where the volume is mounted on the machine itself: for the pod, and for all pods. */
  function mounts(machine: string = a): readonly string[] {
    const points = stage.bed
      .machine(machine)
      .mountinfo()
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '');
    return points.filter((point) => /kubernetes\.io~csi|globalmount/.test(point));
  }

  async function keepsMounts(forMs: number): Promise<void> {
    const before = mounts();
    expect(before).toHaveLength(2);
    await sleep(forMs);
    expect(mounts()).toEqual(before);
  }

  function folderOf(uid: string): string {
    return `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~csi/${pvName(web)}`;
  }

  async function isWhole(): Promise<void> {
    expect(await stage.violations(web)).toEqual([]);
    expect(await stage.damageSoFar(web)).toEqual([]);
  }

  it('keeps it mounted, while its agent cannot tell which containers run', async () => {
    await stage.installation.changeAgents({ op: 'remove', path: `${container}/volumeMounts/2` });
    await stage.place(web, a);
    const uid = stage.podOf(web)?.metadata.uid ?? '';
    await stage.bed.machine(a).killKubelet();
    await stage.moves(web, a, 90_000);
    // As a crash leaves it: empty. The kubelet reads there what it has to unmount.
    await stage.bed.machine(a).run('truncate', '--size=0', `${folderOf(uid)}/vol_data.json`);
    await stage.bed.machine(a).restartKubelet();
    await eventually(() => stage.bed.isReady(a), { what: 'Ready again', withinMs: 60_000 });
    await keepsMounts(75_000);
    await stage.event({ kind: 'Node', name: a, reason: 'NodeKeptFenced' });
  }, 400_000);

  it('is cleaned by its agent, attests that, and is given back without a reboot', async () => {
    const { bootId } = stage.bed.machine(a);
    await stage.installation.again();
    await eventually(() => mounts().length === 0, { what: 'no mount', withinMs: 120_000 });
    await stage.released(60_000);
    await stage.event({ kind: 'Node', name: a, reason: 'NodeReleased' });
    expect(stage.bed.machine(a).bootId).toBe(bootId);
    await isWhole();
  }, 300_000);

  it('is cleaned of what was staged only, for which no pod is left', async () => {
    const machine = stage.bed.machine(b);
    const { bootId } = machine;
    const folder = folderOf(stage.podOf(web)?.metadata.uid ?? '');
    await machine.killKubelet();
    await stage.moves(web, b, 90_000);
    // Where the kubelet ended between the two: unpublished, and not unstaged.
    await machine.run('umount', `${folder}/mount`);
    await machine.run('rmdir', `${folder}/mount`);
    await machine.run('rm', `${folder}/vol_data.json`);
    await machine.run('rmdir', folder);
    expect(mounts(b)).toEqual([expect.stringMatching(/\/globalmount$/)]);
    await machine.restartKubelet();
    await eventually(() => mounts(b).length === 0, { what: 'no mount', withinMs: 120_000 });
    await stage.released(60_000);
    await stage.event({ kind: 'Node', name: b, reason: 'NodeReleased' });
    expect(machine.bootId).toBe(bootId);
    await isWhole();
  }, 400_000);

  it('leaves file system and journal whole', async () => {
    expect(await stage.violations(web)).toEqual([]);
    expect(await stage.damage(web)).toEqual([]);
  }, 180_000);
});
