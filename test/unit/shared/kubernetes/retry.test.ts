import { describe, expect, it } from '@jest/globals';
import { backoffMs, retryAfterMs, retryDelayMs } from '../../../../src/shared/kubernetes/retry.ts';

const half = (): number => 0.5;

function delay(method: string, status: number, attempts = 1, retryAfter?: string) {
  return retryDelayMs({ method, status, attempts, retryAfter }, half);
}

describe('retryDelayMs', () => {
  it.each([429, 500, 502, 503, 504])('repeats a GET after %d', (status) => {
    expect(delay('GET', status)).toBe(100);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('repeats a %s only after 429', (method) => {
    expect(delay(method, 429)).toBe(100);
    for (const status of [500, 502, 503, 504]) expect(delay(method, status)).toBeUndefined();
  });

  it.each([0, 200, 400, 404, 409, 410])('lets %d stand', (status) => {
    expect(delay('GET', status)).toBeUndefined();
  });

  it('waits at least as long as Retry-After says', () => {
    expect(delay('PUT', 429, 1, '3')).toBe(3050);
  });

  it('gives up after four attempts', () => {
    expect(delay('GET', 503, 3)).toBeDefined();
    expect(delay('GET', 503, 4)).toBeUndefined();
  });
});

describe('retryAfterMs', () => {
  it('reads seconds and nothing else', () => {
    expect(retryAfterMs('2')).toBe(2000);
    for (const header of [undefined, '', 'soon', '-1', '1e9', 'Fri, 01 Jan 2027 00:00:00 GMT']) {
      expect(retryAfterMs(header)).toBeUndefined();
    }
  });
});

describe('backoffMs', () => {
  it('doubles up to its bound and never overflows', () => {
    const bounds = { minMs: 100, maxMs: 5000 };
    const full = [1, 2, 3, 7, 5000].map((attempt) => backoffMs(attempt, bounds, () => 1));
    expect(full).toEqual([100, 200, 400, 5000, 5000]);
    expect(backoffMs(1, bounds, () => 0)).toBe(50);
  });
});
