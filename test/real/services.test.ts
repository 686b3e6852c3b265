import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle } from '../machine/workload-objects.ts';
import { agentsName, controllerName, driverNamespace } from './installation.ts';
import { labelled, RealStage } from './real-stage.ts';
import { record, type Scenario } from './results.ts';

const [a, b, c] = ['worker-a', 'worker-b', 'worker-c'] as const;
/** The worked example of a workload. */
const web = labelled('ledger');
/** Longer than everything that could call a machine lost. */
const watchedMs = 40_000;

describe('what fails on a machine, or does not', () => {
  let stage: RealStage;
  /** Where `web` writes. */
  let home: string = c;

  beforeAll(async () => {
    stage = await RealStage.open('services', { machines: [a, b, c] });
    await stage.place(web, c, await stage.example());
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  afterEach(async () => {
    expect(await stage.violations(web)).toEqual([]);
    if (stage.podOf(web) !== undefined) expect(await stage.damageSoFar(web)).toEqual([]);
  }, 60_000);

  /** The same pod still writes, and nobody of us has done anything. */
  async function nothingMoved(mark: ReturnType<RealStage['mark']>, uid?: string): Promise<void> {
    await stage.writesOn(web, home, { since: Date.now(), withinMs: 30_000 });
    expect(stage.podOf(web)?.metadata.uid).toBe(uid);
    expect(stage.oursSince(mark)).toEqual([]);
  }

  const stays = 'nothing is moved, the pod writes on';
  function recordThatItStays(...names: readonly Scenario[]): void {
    for (const scenario of names) record(scenario, 'ours', stays);
  }

  async function recordMove(scenario: Scenario, from: string, since: number): Promise<string> {
    const writer = await stage.moves(web, from, 90_000);
    const seconds = (((writer.firstAcceptedAt ?? Number.NaN) - since) / 1000).toFixed(1);
    record(scenario, 'ours', `writes elsewhere after ${seconds} s; the old pod is refused`);
    return writer.nodeId;
  }

  const uidOfPod = (): string | undefined => stage.podOf(web)?.metadata.uid;

  it('a power cycle shorter than every timeout moves nothing', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    await stage.bed.machine(home).reboot();
    await sleep(watchedMs);
    await nothingMoved(mark, uid);
    recordThatItStays('power cycle of seconds');
  }, 180_000);

  it('how full the volume is, the kubelet asks the driver', async () => {
    // Only asks: it tells nobody, because it does not find the computer's own disk.
    const asked = /^csi_operations_seconds_count\{.*"OK",.*NodeGetVolumeStats".*\} [1-9]/m;
    await eventually(async () => asked.test(await stage.bed.machine(home).askKubelet('/metrics')), {
      what: 'the kubelet to ask',
      withinMs: 120_000,
      everyMs: 1_000,
    });
  }, 180_000);

  it('a dead containerd moves nothing, and containers go on', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    await stage.bed.machine(home).stopService('containerd');
    await eventually(() => !stage.bed.isReady(home), { what: 'NotReady', withinMs: 120_000 });
    await stage.writesOn(web, home, { since: Date.now() });
    stage.bed.machine(home).startService('containerd');
    await eventually(() => stage.bed.isReady(home), { what: 'Ready again', withinMs: 60_000 });
    await nothingMoved(mark, uid);
    recordThatItStays('containerd dead');
  }, 240_000);

  it('a driver that crashes moves nothing, and disks stay', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    await stage.installation.crashDriver(home);
    await sleep(10_000);
    await nothingMoved(mark, uid);
  }, 180_000);

  it('an agent that stands still moves nothing, and is told of', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    const machine = stage.bed.machine(home);
    await machine.stopAgent();
    const about = { kind: 'Node', name: home, since: mark.at, withinMs: 60_000 };
    await stage.event({ ...about, reason: 'NodeAgentDown' });
    await machine.startAgent();
    await stage.event({ ...about, reason: 'NodeRecovered' });
    await nothingMoved(mark, uid);
  }, 180_000);

  it('a roll-out of driver and csi-failover moves nothing', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    for (const object of [`deployment/${controllerName}`, `daemonset/${agentsName}`]) {
      const where = `--namespace=${driverNamespace}`;
      await stage.bed.cluster.kubectl(['rollout', 'restart', object, where]);
      await stage.installation.rolledOut();
    }
    await nothingMoved(mark, uid);
    recordThatItStays('driver crashes, or is rolled out', 'csi-failover is rolled out');
  }, 400_000);

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
    await stage.installation.remove();
    await eventually(() => stage.left().length === 0, {
      what: 'everything of ours to be gone',
      withinMs: 60_000,
    });
  }, 120_000);
});
