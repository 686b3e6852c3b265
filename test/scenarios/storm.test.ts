import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { processesOf } from '../machine/process.ts';
import { defaultSettings, labelled, type Mark, Stage } from './stage.ts';

const machines = ['worker-a', 'worker-b', 'worker-c', 'worker-d'];
/** One on each of the machines that will die. */
const plans = [
  labelled('StatefulSet', 'on-a'),
  labelled('Deployment', 'on-b'),
  labelled('StatefulSet', 'on-c'),
] as const;

describe('three of four machines that die within 5 s, with default flags', () => {
  let stage: Stage;
  let off: Mark;

  beforeAll(async () => {
    stage = await Stage.open('storm', { ...defaultSettings, machines });
    for (const [index, plan] of plans.entries()) {
      await stage.place([plan], machines[index] ?? '');
    }
    off = stage.mark();
    const offs: Promise<void>[] = [];
    for (const name of machines.slice(0, 3)) {
      offs.push(stage.bed.machine(name).powerOff());
      await sleep(2_200);
    }
    await Promise.all(offs);
  }, 80_000);
  afterAll(() => stage.close(), 20_000);

  it('says storm on every labelled pod', async () => {
    for (const plan of plans) {
      const name = stage.podOf(plan)?.metadata.name;
      await stage.event({
        kind: 'Pod',
        name,
        reason: 'FailoverHeld',
        says: 'storm',
        withinMs: 30_000,
      });
    }
  }, 40_000);

  it('moves nothing', async () => {
    await sleep(4_000);
    expect(stage.touchesSince(off)).toEqual([]);
  }, 10_000);

  it('moves what is still dead when the number is back at the bound', async () => {
    const back = stage.mark();
    await Promise.all(['worker-a', 'worker-b'].map((name) => stage.bed.machine(name).boot()));
    const [onA, onB, onC] = plans;
    const [moved] = await stage.move([onC], 'worker-c', 30_000);
    expect(moved?.firstAcceptedAt).toBeGreaterThan(back.at);
    // Those that came back by themselves run where they were.
    await stage.writesOn(onA, 'worker-a', { since: back.at });
    await stage.writesOn(onB, 'worker-b', { since: back.at });
    expect(await stage.machinesOf(onA)).toEqual(['worker-a']);
    expect(await stage.machinesOf(onB)).toEqual(['worker-b']);
    expect(stage.episodes().map(({ record }) => record.volumes.map(({ pv }) => pv))).toEqual([
      ['pv-shop-on-c'],
    ]);
  }, 60_000);

  it('leaves no process behind', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
