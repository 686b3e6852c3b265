import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { RealStage, type StageOptions } from './real-stage.ts';

export interface Play {
  /** Of the folder in which logs are kept. */
  readonly name: string;
  readonly options: StageOptions;
  /** What must be whole after each test. */
  readonly plans: readonly WorkloadPlan[];
  /** What stands before the first test. */
  readonly begin: (stage: RealStage) => Promise<unknown>;
}

/**
 * A stage for the tests of a file. After each of them nobody who was replaced has written, nobody was
 * ended before his volumes were taken away, and whoever mounted a volume now would find it whole.
 */
export function onStage({ name, options, plans, begin }: Play): void {
  let stage: RealStage | undefined;

  beforeAll(async () => {
    const opened = await RealStage.open(name, options);
    stage = opened;
    await begin(opened);
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  afterEach(async () => {
    if (stage === undefined) return;
    expect(stage.crimes()).toEqual([]);
    for (const plan of plans) {
      expect(await stage.violations(plan)).toEqual([]);
      if (stage.podOf(plan) !== undefined) expect(await stage.damageSoFar(plan)).toEqual([]);
    }
  }, 60_000);
}
