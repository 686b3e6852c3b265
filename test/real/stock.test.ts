import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import { RealStage, unlabelled } from './real-stage.ts';
import { laneOf } from './lane.ts';
import { record, recordLane, type Scenario } from './results.ts';

/** How long a person watches. Stock Kubernetes deletes such pods after 6 minutes, and never more. */
const watchedMs = 120_000;

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

describe('stock Kubernetes with the same driver', () => {
  let stage: RealStage;
  const writers = new Map<string, WriterSummary>();
  const failedAt = new Map<string, number>();

  beforeAll(async () => {
    const machines = [...failures.map(({ name }) => name), 'healthy'];
    stage = await RealStage.open('stock', { machines, variant: 'none' });
    for (const { name } of failures) writers.set(name, await stage.place(unlabelled(name), name));
    for (const { name, breaks } of failures) {
      failedAt.set(name, Date.now());
      await breaks(stage, name);
    }
    await sleep(watchedMs);
  }, 500_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

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
});
