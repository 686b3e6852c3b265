import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle } from '../machine/workload-objects.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';
import { record, type Scenario } from './results.ts';

const [a, b, c] = ['worker-a', 'worker-b', 'worker-c'] as const;
/** The worked example of a workload. */
const web = labelled('ledger');

describe('what moves a pod from a machine that goes on in some way', () => {
  let stage: RealStage;
  /** Where `web` writes. */
  let home: string = c;

  onStage({
    name: 'moves',
    options: {
      machines: [a, b, c],
      kubeletConfig: { shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '15s' },
    },
    plans: [web],
    begin: async (opened) => {
      stage = opened;
      await stage.place(web, c, await stage.example());
    },
  });

  async function recordMove(scenario: Scenario, from: string, since: number): Promise<string> {
    const writer = await stage.moves(web, from, 90_000);
    const seconds = (((writer.firstAcceptedAt ?? Number.NaN) - since) / 1000).toFixed(1);
    record(scenario, 'ours', `writes elsewhere after ${seconds} s; the old pod is refused`);
    return writer.nodeId;
  }

  it('a machine that is drained and then switched off is nothing of ours', async () => {
    const [mark, from] = [stage.mark(), home];
    const drain = ['drain', from, '--ignore-daemonsets', '--delete-emptydir-data'];
    await stage.bed.cluster.kubectl(drain);
    ({ nodeId: home } = await stage.moves(web, from, 90_000));
    await stage.bed.machine(from).powerOff();
    const about = { kind: 'Node', name: from, since: mark.at, withinMs: 60_000 };
    await stage.event({ ...about, reason: 'NodeLost' });
    await stage.bed.machine(from).boot();
    await stage.cordon([from], false);
    await stage.event({ ...about, reason: 'NodeRecovered' });
    await stage.installation.ready();
    expect(stage.oursSince(mark)).toEqual([]);
  }, 300_000);

  it('so is one that is shut down, ends its pods before it goes, and is back', async () => {
    const [mark, from] = [stage.mark(), home];
    const machine = stage.bed.machine(from);
    await using bus = await machine.startSystemBus();
    await machine.restartKubelet();
    await eventually(() => bus.isInhibited, { what: 'the kubelet to ask for time' });
    // What it has asked for it hears a moment later.
    await sleep(1_000);
    bus.prepareForShutdown();
    await eventually(
      async () => (await machine.run('ps', '-eo', 'args=')).match(/--endpoint=/) === null,
      {
        what: 'the last pods, those of the driver, to have ended',
        withinMs: 60_000,
        everyMs: 200,
      },
    );
    await machine.powerOff();
    const about = { kind: 'Node', name: from, since: mark.at, withinMs: 60_000 };
    await stage.event({ ...about, reason: 'NodeLost' });
    await machine.boot();
    // The kubelet went before it had said that it does not use the volume any more. Attach/detach
    // waits for that word, for up to six minutes, and the pod waits for attach/detach.
    ({ nodeId: home } = await stage.moves(web, from, 90_000));
    await stage.event({ ...about, reason: 'NodeRecovered' });
    await stage.installation.ready();
    expect(stage.oursSince(mark)).toEqual([]);
  }, 400_000);

  it('a dead kubelet: the pod moves, and what goes on writing there is refused', async () => {
    const from = home;
    const since = Date.now();
    await stage.bed.machine(from).killKubelet();
    home = await recordMove('kubelet dead, containers go on', from, since);
    await stage.refused(web, from, since);
    const old = { slot: 'default/ledger-0', volume: volumeHandle(web), state: 'rejected' };
    expect(await stage.bed.machine(from).workloads()).toMatchObject([old]);
    await stage.bed.machine(from).restartKubelet();
    await stage.released(120_000);
    expect(await stage.bed.machine(from).workloads()).toEqual([]);
  }, 300_000);

  it('a machine that sleeps and wakes up: its writes come too late', async () => {
    const from = home;
    const since = Date.now();
    stage.bed.machine(from).freeze();
    home = await recordMove('asleep, then awake again', from, since);
    stage.bed.machine(from).thaw();
    await stage.refused(web, from, since);
    await stage.released(120_000);
  }, 300_000);

  it('after all that file system and journal are whole', async () => {
    expect(await stage.damage(web)).toEqual([]);
  }, 180_000);

  it('uninstalling leaves nothing of ours', async () => {
    expect(await stage.installation.rights()).not.toEqual([]);
    await stage.installation.remove();
    expect(await stage.installation.rights()).toEqual([]);
    await eventually(() => stage.left().length === 0, {
      what: 'everything of ours to be gone',
      withinMs: 60_000,
    });
  }, 120_000);
});
