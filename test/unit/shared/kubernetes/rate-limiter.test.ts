import { describe, expect, it } from '@jest/globals';
import { RateLimiter } from '../../../../src/shared/kubernetes/rate-limiter.ts';

describe('RateLimiter', () => {
  it('lets a burst through at once, then one per interval', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 3 });
    for (let i = 0; i < 3; i += 1) {
      expect(limiter.waitMs(1000, 0)).toBe(0);
      limiter.take();
    }
    expect(limiter.waitMs(1000, 0)).toBe(100);
    expect(limiter.waitMs(1040, 0)).toBeCloseTo(60);
    expect(limiter.waitMs(1100, 0)).toBe(0);
  });

  it('counts those who go first', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 3 });
    expect([0, 2, 3, 5].map((ahead) => limiter.waitMs(0, ahead))).toEqual([0, 0, 100, 300]);
  });

  it('fills up again while nobody asks, but never beyond the burst', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 2 });
    expect(limiter.waitMs(0, 0)).toBe(0);
    for (let i = 0; i < 2; i += 1) limiter.take();
    expect(limiter.waitMs(60_000, 1)).toBe(0);
    expect(limiter.waitMs(60_000, 2)).toBe(100);
  });
});
