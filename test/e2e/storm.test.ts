import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('storm', 6);
const haven = scene.machines.at(-1) ?? '';
const victims = scene.machines.slice(0, 5);
/** One on each of the machines that will die; default --max-lost-nodes of six is two. */
const plans = victims.map((name, index) =>
  labelled(scene, index % 2 === 0 ? 'StatefulSet' : 'Deployment', `on-${name}`, {
    nodes: [name, haven],
  }),
);

describe('several machines of six that die at once', () => {
  let stage: ClusterStage;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings());
    await stage.seat(plans);
    await sleep(2_000);
  }, 240_000);
  afterAll(() => stage?.close(), 60_000);

  async function powerOff(names: readonly string[]): Promise<Mark> {
    const mark = stage.mark();
    await Promise.all(names.map((name) => stage.bed.machine(name).powerOff()));
    return mark;
  }

  async function boot(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => stage.bed.machine(name).boot()));
  }

  it('12: two: the pods of both move', async () => {
    const [first = '', second = ''] = victims;
    await powerOff([first, second]);
    await Promise.all([
      stage.move(plans.slice(0, 1), first, 30_000),
      stage.move(plans.slice(1, 2), second, 30_000),
    ]);
    await boot([first, second]);
    await stage.released(90_000);
  }, 130_000);

  describe('13: three', () => {
    const dead = victims.slice(2);
    const theirs = plans.slice(2);
    let off: Mark;

    beforeAll(async () => {
      off = await powerOff(dead);
    });

    it('are a storm, in which nothing moves', async () => {
      for (const plan of theirs) {
        const name = stage.podOf(plan)?.metadata.name;
        await stage.event({
          kind: 'Pod',
          name,
          reason: 'FailoverHeld',
          says: 'storm: 3 of 6 nodes',
          withinMs: 30_000,
        });
      }
      await sleep(5_000);
      expect(stage.touchesSince(off)).toEqual([]);
    }, 60_000);

    it('are no storm any more when one comes back: the other two move', async () => {
      const [back = '', second = '', third = ''] = dead;
      const [stays, ...go] = theirs;
      const since = Date.now();
      await boot([back]);
      await Promise.all([
        stage.move(go.slice(0, 1), second, 40_000),
        stage.move(go.slice(1), third, 40_000),
      ]);
      if (stays !== undefined) await stage.writesOn(stays, back, { since });
      expect(stage.touchesSince(off).filter((touch) => touch.includes(back))).toEqual([]);
    }, 60_000);
  });

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  });
});
