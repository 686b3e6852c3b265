import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { KeyedAction } from '../../../src/shared/mode.ts';
import { done, failed, type Outcome, unknown } from '../../../src/shared/outcome.ts';
import {
  createWorkQueue,
  inFlight,
  nextWakeAt,
  offer,
  settle,
  type WorkQueue,
} from '../../../src/shared/workqueue.ts';

const refused = failed('HTTP_409', 'conflict');
const noAnswer = unknown('NO_ANSWER', 'timeout');

function action(key: string, scope = key, exclusive = false): KeyedAction {
  return { key, scope, exclusive };
}

function started(queue: WorkQueue, wanted: readonly KeyedAction[], now: number): string[] {
  return offer(queue, wanted, now).start.map(({ key }) => key);
}

describe('one key', () => {
  const taint = action('taint node-1');

  it('runs once, however often it is wanted', () => {
    const queue = createWorkQueue();
    expect(started(queue, [taint, taint], 0)).toEqual(['taint node-1']);
    expect(started(queue, [taint], 5)).toEqual([]);
    expect(inFlight(queue)).toBe(1);
    expect(inFlight(queue, taint.scope)).toBe(1);
  });

  it('of two with one key takes the first', () => {
    const queue = createWorkQueue();
    const first = { ...taint, epoch: 1 };
    const second = { ...taint, epoch: 2 };
    expect(offer(queue, [first, second], 0).start).toEqual([first]);
  });

  it('is held after success until its effect was observed', () => {
    const queue = createWorkQueue({ holdMs: 10_000 });
    offer(queue, [taint], 0);
    settle(queue, taint.key, done, 100);
    expect(started(queue, [taint], 200)).toEqual([]);
    expect(nextWakeAt(queue, 200)).toBe(10_100);
    // Observed: not wanted any more; wanted anew it starts at once.
    expect(started(queue, [], 300)).toEqual([]);
    expect(nextWakeAt(queue, 300)).toBeUndefined();
    expect(started(queue, [taint], 400)).toEqual([taint.key]);
  });

  it('is done once more when its effect does not show within the hold', () => {
    const queue = createWorkQueue({ holdMs: 10_000 });
    offer(queue, [taint], 0);
    settle(queue, taint.key, done, 100);
    expect(started(queue, [taint], 10_099)).toEqual([]);
    expect(started(queue, [taint], 10_100)).toEqual([taint.key]);
  });

  it('is not aborted when it is no longer wanted, nor started beside itself', () => {
    const queue = createWorkQueue();
    offer(queue, [taint], 0);
    offer(queue, [], 1);
    expect(inFlight(queue, taint.scope)).toBe(1);
    expect(started(queue, [taint], 2)).toEqual([]);
    settle(queue, taint.key, refused, 3);
    expect(inFlight(queue)).toBe(0);
  });

  it.each([
    ['Failed', refused],
    ['Unknown', noAnswer],
  ])('backs off after %s, doubling up to the maximum', (_kind, outcome) => {
    const queue = createWorkQueue({ initialBackoffMs: 100, maxBackoffMs: 10_000 });
    const waits: number[] = [];
    let now = 0;
    for (let attempt = 0; attempt < 10; attempt += 1) {
      expect(started(queue, [taint], now)).toEqual([taint.key]);
      settle(queue, taint.key, outcome, now);
      const wakeAt = nextWakeAt(queue, now) ?? Number.NaN;
      expect(started(queue, [taint], wakeAt - 0.01)).toEqual([]);
      waits.push(wakeAt - now);
      now = wakeAt;
    }
    const full = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeLessThanOrEqual(full[index] as number);
      expect(wait).toBeGreaterThanOrEqual(0.75 * (full[index] as number));
    }
  });

  it('forgets its failures when it is no longer wanted, and after a success', () => {
    const queue = createWorkQueue({ initialBackoffMs: 100, holdMs: 1000 });
    const failAt = (now: number): number => {
      expect(started(queue, [taint], now)).toEqual([taint.key]);
      settle(queue, taint.key, refused, now);
      return (nextWakeAt(queue, now) as number) - now;
    };
    failAt(0);
    expect(failAt(1000)).toBeGreaterThan(100);
    offer(queue, [], 2000);
    expect(failAt(3000)).toBeLessThanOrEqual(100);
    offer(queue, [taint], 4000);
    settle(queue, taint.key, done, 4000);
    expect(failAt(5000)).toBeLessThanOrEqual(100);
  });

  it('forgets its failures also when it stops being wanted while it runs', () => {
    const queue = createWorkQueue({ initialBackoffMs: 100 });
    for (const now of [0, 10_000, 20_000]) {
      offer(queue, [taint], now);
      if (now < 20_000) settle(queue, taint.key, refused, now);
    }
    offer(queue, [], 20_001);
    offer(queue, [taint], 20_002);
    settle(queue, taint.key, refused, 20_003);
    expect((nextWakeAt(queue, 20_003) as number) - 20_003).toBeLessThanOrEqual(100);
  });

  it('owes nothing to a run that ended while it was not wanted', () => {
    const queue = createWorkQueue();
    for (const outcome of [done, refused, noAnswer]) {
      expect(started(queue, [taint], 0)).toEqual([taint.key]);
      offer(queue, [], 1);
      settle(queue, taint.key, outcome, 2);
    }
    expect(started(queue, [taint], 3)).toEqual([taint.key]);
  });

  it('ignores the settling of what does not run', () => {
    const queue = createWorkQueue();
    settle(queue, 'never heard of', done, 0);
    offer(queue, [taint], 0);
    settle(queue, taint.key, done, 1);
    settle(queue, taint.key, refused, 2);
    expect(inFlight(queue)).toBe(0);
    expect(nextWakeAt(queue, 3)).toBe(10_001);
  });
});

describe('scopes', () => {
  const evict1 = action('evict pod-1', 'node-1');
  const evict2 = action('evict pod-2', 'node-1');
  const release = action('release', 'node-1', true);
  const elsewhere = action('evict pod-9', 'node-9');

  it('lets actions of one scope run side by side', () => {
    expect(started(createWorkQueue(), [evict1, evict2], 0)).toEqual([evict1.key, evict2.key]);
  });

  it('starts an exclusive action only when nothing else of its scope runs', () => {
    const queue = createWorkQueue();
    offer(queue, [evict1], 0);
    expect(started(queue, [evict1, release, elsewhere], 1)).toEqual([elsewhere.key]);
    settle(queue, evict1.key, done, 2);
    expect(started(queue, [evict1, release, elsewhere], 3)).toEqual([release.key]);
  });

  it('starts nothing of the scope beside an exclusive action', () => {
    const queue = createWorkQueue();
    expect(started(queue, [release, evict1, elsewhere], 0)).toEqual([release.key, elsewhere.key]);
    settle(queue, release.key, done, 1);
    expect(started(queue, [release, evict1, elsewhere], 2)).toEqual([evict1.key]);
  });

  it('keeps a running action in the scope in which it was started', () => {
    const queue = createWorkQueue();
    offer(queue, [evict1], 0);
    const moved = { ...evict1, scope: 'node-9', exclusive: true };
    expect(started(queue, [moved, elsewhere], 1)).toEqual([elsewhere.key]);
    expect(inFlight(queue, 'node-1')).toBe(1);
    settle(queue, evict1.key, refused, 2);
    expect([inFlight(queue, 'node-1'), inFlight(queue, 'node-9')]).toEqual([0, 1]);
    // Anew, it belongs to the scope that it names now.
    expect(started(queue, [moved, elsewhere], 10_000)).toEqual([]);
  });

  it('waits for an action of the scope that is no longer wanted but still runs', () => {
    const queue = createWorkQueue();
    offer(queue, [evict1], 0);
    expect(started(queue, [release], 1)).toEqual([]);
    settle(queue, evict1.key, noAnswer, 2);
    expect(started(queue, [release], 3)).toEqual([release.key]);
  });

  it('does not let later actions pass an exclusive one that is next', () => {
    const queue = createWorkQueue();
    offer(queue, [evict1], 0);
    offer(queue, [evict1, release], 1);
    expect(started(queue, [evict1, release, evict2], 2)).toEqual([]);
    settle(queue, evict1.key, done, 3);
    expect(started(queue, [evict1, release, evict2], 4)).toEqual([release.key]);
  });
});

describe('concurrency', () => {
  it('starts no more than its bound and goes on with those that waited longest', () => {
    const queue = createWorkQueue({ concurrency: 2, initialBackoffMs: 1 });
    const wanted = ['a', 'b', 'c', 'd'].map((key) => action(key));
    expect(started(queue, wanted, 0)).toEqual(['a', 'b']);
    settle(queue, 'a', refused, 10);
    settle(queue, 'b', refused, 10);
    // a and b are ready again, but c and d have been waiting since 0.
    expect(started(queue, wanted, 20)).toEqual(['c', 'd']);
  });

  it('needs no wake-up for what waits for a place: a settling comes first', () => {
    const queue = createWorkQueue({ concurrency: 1 });
    offer(queue, [action('a'), action('b')], 0);
    expect(nextWakeAt(queue, 0)).toBeUndefined();
  });
});

describe('always', () => {
  const outcomes: readonly Outcome[] = [done, refused, noAnswer];
  const step = fc.record({
    wanted: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 10 }),
    afterMs: fc.integer({ min: 0, max: 3000 }),
    settles: fc.array(fc.record({ pick: fc.nat(20), outcome: fc.nat(2) }), { maxLength: 4 }),
  });
  // Keys 0, 4 and 8 are exclusive; three scopes.
  const actionOf = (n: number): KeyedAction => action(`k${n}`, `s${n % 3}`, n % 4 === 0);

  it('holds its bounds whatever is wanted and however it ends', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = createWorkQueue({ concurrency: 4, holdMs: 2000 });
        const running = new Map<string, KeyedAction>();
        let now = 0;
        for (const { wanted, afterMs, settles } of steps) {
          now += afterMs;
          for (const { pick, outcome } of settles) {
            const key = [...running.keys()][pick % Math.max(1, running.size)];
            if (key === undefined) continue;
            settle(queue, key, outcomes[outcome] as Outcome, now);
            running.delete(key);
          }
          for (const begun of offer(queue, wanted.map(actionOf), now).start) {
            expect(running.has(begun.key)).toBe(false);
            running.set(begun.key, begun);
          }
          checkBounds(queue, running);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ends with everything done once and idle when nothing is wanted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }), (numbers) => {
        const queue = createWorkQueue({ concurrency: 3 });
        const left = new Set(numbers.map((n) => `k${n}`));
        const wanted = numbers.map(actionOf);
        for (let now = 0; left.size > 0; now += 1) {
          expect(now).toBeLessThan(50);
          const still = wanted.filter(({ key }) => left.has(key));
          for (const { key } of offer(queue, still, now).start) {
            settle(queue, key, done, now);
            left.delete(key);
          }
        }
        offer(queue, [], 100);
        expect(queue.entries.size).toBe(0);
        expect(inFlight(queue)).toBe(0);
        expect(queue.runningInScope.size + queue.exclusiveScopes.size).toBe(0);
      }),
    );
  });
});

function checkBounds(queue: WorkQueue, running: ReadonlyMap<string, KeyedAction>): void {
  expect(running.size).toBeLessThanOrEqual(4);
  expect(inFlight(queue)).toBe(running.size);
  const byScope = Map.groupBy(running.values(), ({ scope }) => scope);
  for (const [scope, actions] of byScope) {
    expect(inFlight(queue, scope)).toBe(actions.length);
    if (actions.some(({ exclusive }) => exclusive)) expect(actions).toHaveLength(1);
  }
}
