import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { RateLimiter } from '../../../../src/shared/kubernetes/rate-limiter.ts';

describe('RateLimiter', () => {
  it('lets a burst through at once, then one per interval', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 3 });
    const waits = [0, 0, 0, 0, 0].map(() => limiter.reserve(1000, 10_000));
    expect(waits).toEqual([0, 0, 0, 100, 200]);
  });

  it('fills up again while nobody asks, but never beyond the burst', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 2 });
    for (let i = 0; i < 2; i += 1) limiter.reserve(0, 0);
    expect(limiter.reserve(60_000, 0)).toBe(0);
    expect(limiter.reserve(60_000, 0)).toBe(0);
    expect(limiter.reserve(60_000, 0)).toBeUndefined();
  });

  it('takes nothing from those who will not wait that long', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 1 });
    limiter.reserve(0, 0);
    expect(limiter.reserve(0, 500)).toBeUndefined();
    expect(limiter.reserve(0, 1000)).toBe(1000);
  });

  it('never lets more through in a time than burst plus rate, whatever the arrivals', () => {
    const arrivals = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(arrivals, (gaps) => {
        const limiter = new RateLimiter({ perSecond: 20, burst: 5 });
        let now = 0;
        const sent = gaps.map((gap) => {
          now += gap;
          return now + (limiter.reserve(now, Number.POSITIVE_INFINITY) ?? 0);
        });
        sent.forEach((at, index) => {
          expect(index + 1).toBeLessThanOrEqual(5 + (at * 20) / 1000 + 1e-6);
        });
      }),
    );
  });
});
