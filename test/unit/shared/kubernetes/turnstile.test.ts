import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Turnstile } from '../../../../src/shared/kubernetes/turnstile.ts';
import { FakeClock } from '../../../fake-clock.ts';

const never = Number.POSITIVE_INFINITY;

/** A turnstile for 10 requests a second, after one at once, and who went through it and when. */
function setUp(burst = 1) {
  const clock = new FakeClock();
  const turnstile = new Turnstile({ clock, limit: { perSecond: 10, burst } });
  const went: string[] = [];
  const pass = (name: string, rank = 0, deadlineAt = never, signal?: AbortSignal): void => {
    const passenger = { rank, deadlineAt, ...(signal === undefined ? {} : { signal }) };
    void turnstile
      .pass(passenger)
      .then((passed) => went.push(`${name} ${passed ? 'goes' : 'stays'} at ${clock.now()}`));
  };
  return { clock, turnstile, went, pass };
}

describe('Turnstile', () => {
  it('lets the lowest rank go first, and of one rank who came first', async () => {
    const { clock, went, pass } = setUp();
    for (const [name, rank] of [
      ['a', 0],
      ['b', 2],
      ['c', 2],
      ['d', 1],
      ['e', 0],
    ] as const) {
      pass(name, rank);
    }
    await clock.advance(1_000);
    expect(went).toEqual([
      'a goes at 0',
      'e goes at 100',
      'd goes at 200',
      'b goes at 300',
      'c goes at 400',
    ]);
    expect(clock.pending).toBe(0);
  });

  it('sends away at once whose turn would come too late', async () => {
    const { clock, went, pass } = setUp();
    pass('a');
    pass('b');
    pass('c', 0, 199);
    pass('d', 0, 201);
    await clock.advance(1_000);
    expect(went).toEqual(['a goes at 0', 'c stays at 0', 'b goes at 100', 'd goes at 200']);
    expect(clock.pending).toBe(0);
  });

  it('sends away at the deadline whom others have passed', async () => {
    const { clock, went, pass } = setUp();
    pass('a');
    pass('late', 1, 150);
    pass('b');
    pass('c');
    await clock.advance(1_000);
    expect(went).toEqual(['a goes at 0', 'b goes at 100', 'late stays at 150', 'c goes at 200']);
    expect(clock.pending).toBe(0);
  });

  it('keeps nobody who has given up, and gives the place to the next', async () => {
    const { clock, went, pass } = setUp();
    const abort = new AbortController();
    pass('a');
    pass('b', 0, never, abort.signal);
    pass('c');
    await clock.advance(50);
    abort.abort();
    pass('d', 0, never, abort.signal);
    await clock.advance(1_000);
    expect(went).toEqual(['a goes at 0', 'b goes at 50', 'd goes at 50', 'c goes at 100']);
  });

  it('never lets more through in a time than burst plus rate, whoever comes when', async () => {
    const arrival = fc.record({
      gap: fc.integer({ min: 0, max: 200 }),
      rank: fc.integer({ min: 0, max: 3 }),
    });
    const arrivals = fc.array(arrival, { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(arrivals, async (all) => {
        const { clock, went, pass } = setUp(5);
        for (const { gap, rank } of all) {
          await clock.advance(gap);
          pass('x', rank);
        }
        await clock.advance(60_000);
        expect(went).toHaveLength(all.length);
        went.forEach((words, index) => {
          const at = Number(words.split(' ').at(-1));
          expect(index + 1).toBeLessThanOrEqual(5 + (at * 10) / 1000 + 1e-3);
        });
      }),
      { numRuns: 50 },
    );
  });
});
