import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import type { Mark } from '../scenarios/bed-stage.ts';
import { writeAgain } from '../scenarios/writes-on.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';

const machines = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => `worker-${letter}`);
/** One on each of the machines that will die; default --max-lost-nodes of six is two. */
const two = ['one', 'two'].map((name) => labelled(name));
const stays = labelled('three');
const go = ['four', 'five'].map((name) => labelled(name));
const three = [stays, ...go];
const plans = [...two, ...three];
/** Longer than everything takes that would come next, if it came. */
const longMs = 10_000;

describe('several machines of six that lose their power at once', () => {
  let stage: RealStage;
  /** The only one that takes new pods, and has a replica of ours. */
  let haven = '';

  onStage({
    name: 'storm',
    options: { machines },
    plans,
    begin: async (opened) => {
      stage = opened;
      [haven = ''] = stage.installation.replicaNodes();
      for (const plan of plans) await stage.bind(plan, homeOf(plan));
      for (const plan of plans) await stage.writesOn(plan, homeOf(plan), { withinMs: 120_000 });
      await stage.cordon(plans.map(homeOf), true);
    },
  });

  function homeOf(plan: WorkloadPlan): string {
    const others = machines.filter((name) => name !== haven);
    return others[plans.indexOf(plan)] ?? '';
  }

  async function powerOff(some: readonly WorkloadPlan[]): Promise<Mark> {
    const mark = stage.mark();
    await Promise.all(some.map((plan) => stage.bed.machine(homeOf(plan)).powerOff()));
    return mark;
  }

  async function boot(some: readonly WorkloadPlan[]): Promise<void> {
    await Promise.all(some.map((plan) => stage.bed.machine(homeOf(plan)).boot()));
  }

  it('two: the pods of both move', async () => {
    const mark = await powerOff(two);
    for (const plan of two) await stage.writesOn(plan, haven, { withinMs: 90_000 });
    await boot(two);
    await stage.released(120_000);
    expect(stage.episodesSince(mark)).toBe(2);
  }, 300_000);

  it('three: a storm, in which nothing moves, until one is back', async () => {
    const mark = await powerOff(three);
    const about = { kind: 'Pod', reason: 'FailoverHeld', since: mark.at, withinMs: 60_000 };
    for (const { name } of three) {
      await stage.event({ ...about, name: `${name}-0`, says: 'storm: 3 of 6 nodes' });
    }
    await sleep(longMs);
    expect(stage.oursSince(mark)).toEqual([]);

    const uid = stage.podOf(stays)?.metadata.uid;
    const back = homeOf(stays);
    expect(await writeAgain(stage, back, [stays], 90_000)).toEqual([uid]);
    for (const plan of go) await stage.writesOn(plan, haven, { withinMs: 90_000 });
    await boot(go);
    await stage.released(120_000);
    expect(stage.episodesSince(mark)).toBe(2);
    expect(stage.oursSince(mark).filter((ours) => ours.includes(back))).toEqual([]);
  }, 400_000);

  it('after all that file systems and journals are whole', async () => {
    for (const plan of plans) expect(await stage.damage(plan)).toEqual([]);
  }, 240_000);
});
