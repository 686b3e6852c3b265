import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { pvName, slotOfPlan } from '../machine/workload-objects.ts';
import { fence, labelled, type Mark, shortSettings, Stage, unlabelled } from './stage.ts';
import { touchesIn } from './traces.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];
const neighbour = unlabelled('StatefulSet', 'plain');
/** As shortSettings has it. */
const kubeletLostAfterMs = 6_000;

describe('a kubelet that dies while the workloads go on', () => {
  let stage: Stage;
  let dead: Mark;
  /** Where the kubelet keeps the volume of each plan, below its directory. */
  let places: readonly string[];
  let replacements: readonly WriterSummary[];

  beforeAll(async () => {
    stage = await Stage.open('kubelet-dead', shortSettings(fence));
    await stage.place([...plans, neighbour], 'worker-a');
    dead = stage.mark();
    places = plans.map((plan) => {
      const uid = stage.podOf(plan)?.metadata.uid ?? '';
      return join('pods', uid, 'volumes/kubernetes.io~csi', pvName(plan));
    });
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

  it('is cleaned by its kubelet and, where that one lost a file, by its agent; given back', async () => {
    const machine = stage.bed.machine('worker-a');
    const mounts = (): string => readFileSync(machine.mountinfoFile, 'utf8');
    const [lost = '', kept = ''] = places;
    // As a crash may leave it: a kubelet that finds no such file unmounts nothing.
    rmSync(join(machine.kubeletDir, lost, 'vol_data.json'));
    await machine.restartKubelet();
    await eventually(() => !mounts().includes(kept), { what: 'the kubelet to unmount' });
    expect(mounts()).toContain(lost);
    await stage.released(90_000);
    expect(mounts()).not.toContain(lost);
    const running = await eventually(() => machine.workloads(), { what: 'the runtime to answer' });
    expect(running.map(({ slot }) => slot)).toEqual([slotOfPlan(neighbour)]);
    await stage.writesOn(neighbour, 'worker-a', { since: Date.now() });
    expect(await stage.violations()).toEqual([]);
  }, 110_000);

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
