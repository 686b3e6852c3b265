import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import { eventually } from '../machine/eventually.ts';
import { RealStage, unlabelled } from './real-stage.ts';
import { laneOf } from './lane.ts';
import { record, recordLane, type Scenario } from './results.ts';

/** How long a person watches. Stock Kubernetes deletes such pods after 6 minutes, and never more. */
const watchedMs = 120_000;
/** As long as where csi-failover is. */
const cycleWatchedMs = 40_000;

/** What is done to a machine, and whether its pod goes on writing. */
const failures: readonly {
  readonly name: string;
  readonly scenario: Scenario;
  readonly breaks: (stage: RealStage, machine: string) => unknown;
  readonly goesOn: boolean;
}[] = [
  {
    name: 'off',
    scenario: 'power lost',
    breaks: (stage, machine) => stage.bed.machine(machine).powerOff(),
    goesOn: false,
  },
  {
    name: 'cut-off',
    scenario: 'cut off from the API, storage alive',
    breaks: (stage, machine) => stage.bed.machine(machine).hangApi(),
    goesOn: true,
  },
  {
    name: 'no-kubelet',
    scenario: 'kubelet dead, containers go on',
    breaks: (stage, machine) => stage.bed.machine(machine).killKubelet(),
    goesOn: true,
  },
  {
    name: 'asleep',
    scenario: 'asleep, then awake again',
    breaks: (stage, machine) => stage.bed.machine(machine).freeze(),
    goesOn: false,
  },
  {
    name: 'path-cut',
    scenario: 'its storage path is cut',
    breaks: (stage, machine) => stage.bed.array.setPath(machine, 'cut'),
    goesOn: false,
  },
  {
    name: 'path-hangs',
    scenario: 'its storage hangs',
    breaks: (stage, machine) => stage.bed.array.setPath(machine, 'hung'),
    goesOn: false,
  },
];

/** Where nothing is to be moved. */
const steady = unlabelled('steady');

describe('stock Kubernetes with the same driver', () => {
  let stage: RealStage;
  const writers = new Map<string, WriterSummary>();
  const failedAt = new Map<string, number>();

  beforeAll(async () => {
    const machines = [...failures.map(({ name }) => name), steady.name];
    stage = await RealStage.open('stock', { machines, variant: 'none' });
    for (const name of machines) await stage.bind(unlabelled(name), name);
    for (const name of machines) {
      writers.set(name, await stage.writesOn(unlabelled(name), name, { withinMs: 60_000 }));
    }
    for (const { name, breaks } of failures) {
      failedAt.set(name, Date.now());
      await breaks(stage, name);
    }
    await Promise.all([sleep(watchedMs), passAll()]);
  }, 600_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  /** What a machine gets over: one thing after the other, with a pod that writes on each time. */
  async function passAll(): Promise<void> {
    const machine = stage.bed.machine(steady.name);
    const passed = async (scenario: Scenario): Promise<void> => {
      await stage.writesOn(steady, steady.name, { since: Date.now(), withinMs: 30_000 });
      const [writer, ...others] = await stage.writersOf(steady);
      const stayed = writer?.podUid === writers.get(steady.name)?.podUid && others.length === 0;
      record(scenario, 'stock', stayed ? 'nothing is moved, the pod writes on' : 'the pod moves');
    };
    await stage.installation.crashDriver(steady.name);
    await stage.installation.renewDriver(steady.name);
    await passed('driver crashes, or is rolled out');
    await machine.reboot();
    await sleep(cycleWatchedMs);
    await passed('power cycle of seconds');
    await machine.stopService('containerd');
    const ready = (): boolean => stage.bed.isReady(steady.name);
    await eventually(() => !ready(), { what: 'NotReady', withinMs: 120_000 });
    machine.startService('containerd');
    await eventually(ready, { what: 'Ready again', withinMs: 60_000 });
    await passed('containerd dead');
  }

  it.each(failures)('$name: nothing brings the pod back', async ({ name, scenario, goesOn }) => {
    const all = await stage.writersOf(unlabelled(name));
    expect(all.map(({ podUid }) => podUid)).toEqual([writers.get(name)?.podUid]);
    const recent = (all[0]?.lastAcceptedAt ?? 0) > Date.now() - 10_000;
    expect(recent).toBe(goesOn);
    const rest = goesOn ? ', the old one goes on' : '';
    record(scenario, 'stock', `no replacement in ${watchedMs / 60_000} minutes${rest}`);
    if (scenario !== 'power lost') return;
    const words = { title: 'stock Kubernetes', summary: 'off-0 does not write again', good: false };
    const journal = await stage.bed.array.journal();
    const lane = laneOf(unlabelled(name), failedAt.get(name) ?? 0, journal, {
      ...words,
      steps: [],
    });
    recordLane('stock', lane);
  });

  it('what passes moves nothing', async () => {
    const all = await stage.writersOf(steady);
    expect(all.map(({ podUid }) => podUid)).toEqual([writers.get(steady.name)?.podUid]);
  });

  it.each([...failures, steady])('leaves the volume of $name whole', async ({ name }) => {
    expect(await stage.violations(unlabelled(name))).toEqual([]);
    expect(await stage.damageSoFar(unlabelled(name))).toEqual([]);
  });
});
