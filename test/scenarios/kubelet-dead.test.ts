import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { slotOfPlan } from '../machine/workload-objects.ts';
import { fence, labelled, type Mark, shortSettings, Stage, unlabelled } from './stage.ts';
import { touchesIn } from './traces.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];
const neighbour = unlabelled('StatefulSet', 'plain');
/** As shortSettings has it. */
const kubeletLostAfterMs = 6_000;

describe('a kubelet that dies while the workloads go on', () => {
  let stage: Stage;
  let dead: Mark;
  let replacements: readonly WriterSummary[];

  beforeAll(async () => {
    stage = await Stage.open('kubelet-dead', shortSettings(fence));
    await stage.place([...plans, neighbour], 'worker-a');
    dead = stage.mark();
    await stage.bed.machine('worker-a').killKubelet();
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('moves the labelled pods, whose old writers were rejected before', async () => {
    replacements = await stage.move(plans, 'worker-a');
    const journal = await stage.bed.array.journal();
    for (const plan of plans) {
      const own = journal.filter(({ slot }) => slot === slotOfPlan(plan));
      const first = own.findIndex(({ nodeId }) => nodeId !== 'worker-a');
      const before = own.slice(0, first);
      // It wrote until it was fenced: this machine was never off.
      expect(before.at(-1)).toMatchObject({ nodeId: 'worker-a', accepted: false });
    }
    expect(replacements).toHaveLength(plans.length);
    expect(await stage.violations()).toEqual([]);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'NodeKubeletDead' });
  }, 40_000);

  it('touched nothing before kubelet-lost-after, counted from the last renewal', () => {
    const renewals = stage
      .changes()
      .filter(
        ({ resource, object: { metadata } }) =>
          resource === 'leases' &&
          metadata.namespace === 'kube-node-lease' &&
          metadata.name === 'worker-a',
      );
    const silentSince = renewals.at(-1)?.at ?? Number.NaN;
    expect(silentSince).toBeLessThan(dead.at + kubeletLostAfterMs);
    const { driverName: driver } = stage.bed;
    const since = stage.changes(dead);
    const early = since.filter(({ at }) => at < silentSince + kubeletLostAfterMs);
    expect(touchesIn({ driver, changes: early, requests: [] })).toEqual([]);
    expect(touchesIn({ driver, changes: since, requests: [] })).not.toEqual([]);
  });

  it('leaves the unlabelled neighbour writing where it is', async () => {
    await stage.writesOn(neighbour, 'worker-a', { since: Date.now() });
    expect(stage.movesSince(dead).filter((move) => move.includes('plain'))).toEqual([]);
  });

  it('gives the node back when the kubelet has cleaned it', async () => {
    const machine = stage.bed.machine('worker-a');
    await machine.restartKubelet();
    await stage.released(60_000);
    const running = await eventually(() => machine.workloads(), { what: 'the runtime to answer' });
    expect(running.map(({ slot }) => slot)).toEqual([slotOfPlan(neighbour)]);
    await stage.writesOn(neighbour, 'worker-a', { since: Date.now() });
    expect(await stage.violations()).toEqual([]);
  }, 70_000);

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
