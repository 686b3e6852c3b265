import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterStage, fastSettings, kubeletLostAfterMs, labelled, sceneOf } from './stage.ts';

const scene = sceneOf('zombies', 4);
const [a = '', b = '', c = '', haven = ''] = scene.machines;
const headless = labelled(scene, 'StatefulSet', 'headless', { nodes: [a, haven] });
const headlessToo = labelled(scene, 'Deployment', 'headless-too', { nodes: [a, haven] });
const cutOff = labelled(scene, 'StatefulSet', 'cut-off', { nodes: [b, haven] });
const frozen = labelled(scene, 'StatefulSet', 'frozen', { nodes: [c, haven] });

describe('machines whose pods go on while nobody hears of them', () => {
  let stage: ClusterStage;

  beforeAll(async () => {
    // One after the other, and each is still fenced when the next one fails.
    stage = await ClusterStage.open(scene, fastSettings('--max-lost-nodes=100%'));
    await stage.seat([headless, headlessToo, cutOff, frozen]);
    await sleep(2_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('3: a kubelet dies: its pods move when that is sure, rejected before', async () => {
    await stage.bed.machine(a).killKubelet();
    const moved = await stage.move([headless, headlessToo], a, 30_000);
    // That may be seconds before its death.
    const lease = stage.bed.foundation.find('leases', a, 'kube-node-lease');
    const lastRenewal = Date.parse(lease?.spec?.renewTime ?? '');
    for (const { firstAcceptedAt = 0 } of moved) {
      expect(firstAcceptedAt - lastRenewal).toBeGreaterThanOrEqual(kubeletLostAfterMs);
    }
    for (const plan of [headless, headlessToo]) {
      // It wrote until it was fenced: this machine was never off.
      expect(await stage.lastBeforeReplacement(plan)).toMatchObject({ nodeId: a, accepted: false });
    }
    await stage.event({ kind: 'Node', name: a, reason: 'NodeKubeletDead' });
    await stage.bed.machine(a).restartKubelet();
  }, 60_000);

  it('4: a machine is cut off from the API alone: its pod moves, rejected before', async () => {
    stage.bed.machine(b).hangApi();
    await stage.move([cutOff], b, 30_000);
    expect(await stage.lastBeforeReplacement(cutOff)).toMatchObject({ nodeId: b, accepted: false });
    await stage.event({ kind: 'Node', name: b, reason: 'NodeLost' });
    stage.bed.machine(b).healApi();
  }, 60_000);

  it('5: a machine freezes, its pod moves, and it thaws: rejected', async () => {
    const machine = stage.bed.machine(c);
    machine.freeze();
    await stage.move([frozen], c, 30_000);
    // The writer wakes up before the kubelet does, which would end it.
    machine.processes.get('runtime')?.signal('SIGCONT');
    await stage.rejected(frozen, c);
    machine.thaw();
  }, 60_000);

  it('all are cleaned and given back as they were, without a reboot', async () => {
    const victims = [a, b, c].map((name) => stage.bed.machine(name));
    const bootIds = victims.map(({ bootId }) => bootId);
    await stage.released(90_000);
    for (const machine of victims) {
      expect(await machine.workloads()).toEqual([]);
      const { status } = stage.bed.foundation.find('nodes', machine.name) ?? {};
      expect(status?.volumesInUse ?? []).toEqual([]);
      await stage.event({ kind: 'Node', name: machine.name, reason: 'NodeReleased' });
    }
    expect(victims.map(({ bootId }) => bootId)).toEqual(bootIds);
    const since = Date.now();
    for (const plan of [headless, headlessToo, cutOff, frozen]) {
      await stage.writesOn(plan, haven, { since });
    }
  }, 100_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    expect(stage.episodes().map(({ lease }) => lease.split('.').at(-1))).toEqual([a, b, c]);
  });
});
