import { describe, expect, it } from '@jest/globals';
import {
  firstPlan,
  planAfter,
  type StepEnd,
  type StepResult,
  type WatchPlan,
} from '../../../../src/shared/kubernetes/watch-plan.ts';

const backoff = { minMs: 100, maxMs: 5000, goodAfterMs: 10_000 };

function after(plan: WatchPlan, end: StepEnd, rest: Partial<StepResult> = {}): WatchPlan {
  const result = { end, livedMs: 0, delivered: 0, synced: true, ...rest };
  return planAfter(plan, result, backoff, () => 1);
}

const watching: WatchPlan = { ...firstPlan, step: 'Watch' };
const broken: StepEnd = { kind: 'Broken', reason: 'r' };
const gone: StepEnd = { kind: 'Gone', reason: 'r' };
const missed: StepEnd = { kind: 'Missed', reason: 'r' };
const ended: StepEnd = { kind: 'Ended' };
const refused: StepEnd = { kind: 'Refused', reason: 'r', retryAfterMs: 0 };

describe('planAfter', () => {
  it('resumes at once after an orderly end of a watch that lived or delivered', () => {
    expect(after(watching, ended, { livedMs: 300_000 })).toMatchObject({
      step: 'Watch',
      delayMs: 0,
    });
    expect(after(watching, ended, { delivered: 1 })).toMatchObject({ step: 'Watch', delayMs: 0 });
  });

  it('backs off when a server ends every watch right away', () => {
    let plan = watching;
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
      plan = after(plan, ended, { livedMs: 5 });
      return plan.delayMs;
    });
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it('starts the back-off anew after a stream that was good', () => {
    const tired = { ...watching, failures: 6 };
    expect(after(tired, broken, { livedMs: 20_000 })).toMatchObject({ failures: 1, delayMs: 100 });
    expect(after(tired, broken, { livedMs: 20 })).toMatchObject({ failures: 7, delayMs: 5000 });
  });

  it('goes on from where it broke, and lists again only after 410 or a missed event', () => {
    expect(after(watching, broken).step).toBe('Watch');
    expect(after(watching, refused).step).toBe('Watch');
    expect(after(watching, gone).step).toBe('WatchList');
    expect(after(watching, missed).step).toBe('WatchList');
    expect(after(firstPlan, broken, { synced: false }).step).toBe('WatchList');
  });

  it('does not let the events after a list excuse listing without end', () => {
    let plan = firstPlan;
    for (let i = 0; i < 8; i += 1) plan = after(plan, missed, { livedMs: 10, delivered: 3 });
    expect(plan.delayMs).toBe(5000);
  });

  it('lists in pages for good once watch-lists proved unsupported', () => {
    const listing = after(firstPlan, { kind: 'Unsupported', reason: 'r' }, { synced: false });
    expect(listing).toMatchObject({ step: 'List', delayMs: 0 });
    const watch = after(listing, { kind: 'Listed' });
    expect(watch).toMatchObject({ step: 'Watch', delayMs: 0 });
    expect(after(watch, gone)).toMatchObject({ step: 'List' });
  });

  it('lists anew when a watch is refused again and again', () => {
    let plan = watching;
    const steps = [1, 2, 3, 4, 5].map(() => {
      plan = after(plan, refused);
      return plan.step;
    });
    expect(steps).toEqual(['Watch', 'Watch', 'Watch', 'Watch', 'WatchList']);
  });

  it('does not count lost connections as refusals: the server is away, our version is good', () => {
    let plan = watching;
    for (let i = 0; i < 20; i += 1) plan = after(plan, broken);
    expect(plan.step).toBe('Watch');
  });

  it('honours Retry-After', () => {
    expect(after(watching, { ...refused, retryAfterMs: 7000 }).delayMs).toBe(7000);
  });
});
