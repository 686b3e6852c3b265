import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { labelled, RealStage, unlabelled } from './real-stage.ts';
import { record, type Scenario } from './results.ts';
import { writerPattern } from './running.ts';

const [a, b, c] = ['worker-a', 'worker-b', 'worker-c'] as const;
const web = labelled('web');
const ledger = labelled('ledger');
/** --unhealthy-after is 30 s; then the pod has 5 s to end, the old node loses access, another starts. */
const moveWithinMs = 90_000;

describe('a machine that loses its way to the storage', () => {
  let stage: RealStage;

  beforeAll(async () => {
    // As many drivers do it, this one tells nothing at first: our agents look for themselves, and
    // that the storage is well is seen on another machine that uses it.
    stage = await RealStage.open('storage', { machines: [a, b, c], dialect: 'none' });
    await stage.place(unlabelled('witness'), c);
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  async function moves(scenario: Scenario, plan: WorkloadPlan, from: string, since: number) {
    const writer = await stage.moves(plan, from, moveWithinMs);
    const seconds = (((writer.firstAcceptedAt ?? Number.NaN) - since) / 1000).toFixed(1);
    record(scenario, 'ours', `writes elsewhere after ${seconds} s`);
  }

  /** The options of ext4 itself, where the volume is staged. */
  function fileSystem(machine: string): string {
    const line = stage.bed
      .machine(machine)
      .mountinfo()
      .split('\n')
      .find((one) => one.includes('globalmount'));
    return line?.split(' ').at(-1) ?? '';
  }

  /** The states of the pods' programs, as ps shows them. */
  async function writersAt(machine: string): Promise<readonly string[]> {
    const all = (await stage.bed.machine(machine).run('ps', '-eo', 'stat=,args=')).split('\n');
    const states = all.filter((line) => line.includes(writerPattern));
    expect(states).not.toEqual([]);
    return states;
  }

  async function isWhole(plan: WorkloadPlan, machine: string): Promise<void> {
    await stage.released(180_000);
    await eventually(() => fileSystem(machine) === '', {
      what: `${machine} to have unmounted`,
      withinMs: 60_000,
    });
    expect(await stage.violations(plan)).toEqual([]);
    expect(await stage.damage(plan)).toEqual([]);
  }

  it('the array drops it: ext4 stops writing there, the pod writes elsewhere', async () => {
    await stage.place(web, a);
    const since = Date.now();
    await stage.bed.array.setPath(a, 'cut');
    await eventually(() => /\b(emergency_)?ro\b/.test(fileSystem(a)), {
      what: 'ext4 to have given up',
      withinMs: 20_000,
    });
    await moves('its storage path is cut', web, a, since);
  }, 200_000);

  it('and it is given back when the path is', async () => {
    await stage.bed.array.setPath(a, 'ok');
    await isWhole(web, a);
  }, 300_000);

  it('its storage hangs, with a writer that nobody can end: the pod writes elsewhere', async () => {
    // A cache answers for a disk that hangs: our own looks do not see it, but this driver does, and
    // says it as most do that say anything.
    await stage.installation.speak('condition');
    await stage.place(ledger, b);
    const since = Date.now();
    await stage.bed.array.setPath(b, 'hung');
    await eventually(async () => (await writersAt(b)).every((state) => state.startsWith('D')), {
      what: 'the writer to wait in the kernel',
      withinMs: 20_000,
    });
    await moves('its storage hangs', ledger, b, since);
  }, 200_000);

  it('and it is cleaned when the storage is back', async () => {
    await stage.bed.array.setPath(b, 'ok');
    await stage.refused(ledger, b);
    await isWhole(ledger, b);
  }, 300_000);
});
