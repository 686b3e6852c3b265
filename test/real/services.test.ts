import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { heartbeatLease } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import { agentsName, controllerName, driverName, driverNamespace } from './installation.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';
import { record, type Scenario } from './results.ts';

/** The first is where the pod writes. */
const machines = ['worker-a', 'worker-b', 'worker-c'] as const;
const [home] = machines;
/** The worked example of a workload. */
const web = labelled('ledger');
/** Longer than everything that could call a machine lost. */
const watchedMs = 40_000;

describe('what fails on a machine, and moves nothing', () => {
  let stage: RealStage;

  onStage({
    name: 'services',
    options: { machines },
    plans: [web],
    begin: async (opened) => {
      stage = opened;
      await stage.place(web, home, await stage.example());
    },
  });

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

  it('an API server that is away for 30 s moves nothing', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    const server = stage.bed.cluster.component('kube-apiserver');
    await server.kill();
    await sleep(30_000);
    const back = Date.now();
    await server.start();
    // Kubernetes may have called some of them unreachable by then; kubelets come back one by one.
    await eventually(() => machines.every((name) => beatsSince(name, back)), {
      what: 'kubelet and agent of every machine to be heard again',
      withinMs: 60_000,
    });
    // As long as it takes to call a machine lost that was not heard since.
    await sleep(20_000);
    await eventually(() => machines.every((name) => stage.bed.isReady(name)), {
      what: 'all to be Ready',
      withinMs: 60_000,
    });
    await nothingMoved(mark, uid);
  }, 300_000);

  /** Both have renewed their Leases. */
  function beatsSince(machine: string, since: number): boolean {
    const leases = [
      stage.bed.watch.find('leases', machine, 'kube-node-lease'),
      stage.bed.watch.find('leases', heartbeatLease(driverName, machine), driverNamespace),
    ];
    return leases.every((lease) => Date.parse(lease?.spec?.renewTime ?? '') > since);
  }

  it('most machines silent at once are no failure of theirs', async () => {
    const [mark, uid] = [stage.mark(), uidOfPod()];
    const replicas = stage.installation.replicaNodes();
    const heard = machines.find((name) => name !== home && replicas.includes(name));
    const silent = machines.filter((name) => name !== heard);
    for (const name of silent) stage.bed.machine(name).hangApi();
    // Another may have to lead first.
    const about = { kind: 'Pod', name: 'ledger-0', since: mark.at, withinMs: 60_000 };
    await stage.event({ ...about, reason: 'FailoverHeld', says: 'storm' });
    await sleep(10_000);
    for (const name of silent) stage.bed.machine(name).healApi();
    await eventually(() => machines.every((name) => stage.bed.isReady(name)), {
      what: 'all to be Ready again',
      withinMs: 60_000,
    });
    await nothingMoved(mark, uid);
  }, 240_000);

  it('after all that file system and journal are whole', async () => {
    expect(await stage.damage(web)).toEqual([]);
  }, 180_000);
});
