import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport } from '../../src/shared/record.ts';
import { eventually } from '../machine/eventually.ts';
import type { ProcessMachine } from '../machine/process-machine.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { ClusterStage, defaultSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('care', 3);
const [a = '', b = '', c = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web', { nodes: [a, c] });
const mysql = labelled(scene, 'Deployment', 'mysql', { nodes: [b, c] });
const plans = [web, mysql];
/** What a container needs to be replaced by the next one. */
const replacementMs = 3_000;

describe('scenario 24: nothing of ours happens when people take care of a cluster', () => {
  let stage: ClusterStage;
  let mark: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, defaultSettings);
    await stage.seat(plans);
    await sleep(5_000);
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  beforeEach(() => {
    mark = stage.mark();
  });

  afterEach(async () => {
    await Promise.all(plans.map((plan) => stage.writesOn(plan, scene.machines, { since: now() })));
    expect(stage.oursSince(mark)).toEqual([]);
    expect(await stage.violations()).toEqual([]);
  }, 30_000);

  it('a cordon, and a drain', async () => {
    await stage.cluster.kubectl(['cordon', a]);
    await stage.writesOn(web, a, { since: now() });
    const flags = ['--ignore-daemonsets', '--force', `--pod-selector=app=${web.name}`];
    await stage.cluster.kubectl(['drain', a, ...flags]);
    await stage.writesOn(web, c, { since: now(), withinMs: 60_000 });
    await stage.cluster.kubectl(['uncordon', a]);
  }, 90_000);

  it('a restart of each kubelet', async () => {
    await staying(async () => {
      for (const machine of stage.bed.machines) await machine.restartKubelet();
      await sleep(replacementMs);
    });
  }, 60_000);

  it('a roll-out of the driver', async () => {
    await staying(() =>
      rollOut(async (machine) => {
        await machine.stopPlugin();
        await eventually(() => driversOn(machine.name) === 0, { what: 'the driver to be gone' });
        await sleep(replacementMs);
        machine.startPlugin();
      }),
    );
  }, 120_000);

  it('a roll-out of our agent', async () => {
    await staying(() =>
      rollOut(async (machine) => {
        await machine.stopAgent();
        await sleep(replacementMs);
        await machine.startAgent();
      }),
    );
  }, 120_000);

  it('a graceful shutdown of a machine, which stays off for a while', async () => {
    const victim = await homeOf(mysql);
    await stage.bed.machine(victim).shutDown();
    const others = scene.machines.filter((name) => name !== victim);
    await stage.writesOn(mysql, others, { since: now(), withinMs: 60_000 });
    // Then it is as silent as a dead one, and is said to be lost.
    await stage.event({ kind: 'Node', name: victim, reason: 'NodeLost', withinMs: 60_000 });
    await sleep(replacementMs);
    await stage.bed.machine(victim).boot();
    await stage.watched();
  }, 180_000);

  function now(): number {
    return Date.now();
  }

  async function homeOf(plan: WorkloadPlan): Promise<string> {
    const { nodeId } = await stage.writesOn(plan, scene.machines, { since: now() });
    return nodeId;
  }

  /** Neither a pod nor a volume is touched by anybody. */
  async function staying(care: () => Promise<void>): Promise<void> {
    const uids = plans.map((plan) => stage.podOf(plan)?.metadata.uid);
    await care();
    expect(stage.movesSince(mark)).toEqual([]);
    expect(plans.map((plan) => stage.podOf(plan)?.metadata.uid)).toEqual(uids);
  }

  /** One machine after the other, as a DaemonSet does it: the next when the last one is well. */
  async function rollOut(replace: (machine: ProcessMachine) => Promise<void>): Promise<void> {
    for (const machine of stage.bed.machines) {
      await replace(machine);
      const since = stage.mark();
      await eventually(() => isWell(machine.name, since), {
        what: `the agent of ${machine.name} to report that the driver is well`,
        withinMs: 30_000,
      });
    }
  }

  /** A kubelet takes the driver off its CSINode while there is no plugin. */
  function driversOn(node: string): number {
    return (stage.bed.foundation.find('csinodes', node)?.spec.drivers ?? []).length;
  }

  function isWell(node: string, since: Mark): boolean {
    const reports = stage.changes(since).flatMap(({ resource, object: { metadata } }) => {
      const isHeartbeat = resource === 'leases' && metadata.name.endsWith(`.${node}`);
      return isHeartbeat ? [decodeNodeReport(metadata.annotations?.[reportAnnotation])] : [];
    });
    return driversOn(node) === 1 && reports.at(-1)?.driver === 'ok';
  }
});
