import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { microTime, plainTime } from '../../../../src/shared/kubernetes/micro-time.ts';

describe('microTime', () => {
  it('writes six digits of fraction', () => {
    expect(microTime(Date.UTC(2026, 1, 28, 23, 59, 59, 7))).toBe('2026-02-28T23:59:59.007000Z');
    expect(microTime(1.5)).toBe('1970-01-01T00:00:00.001500Z');
  });

  it('is the date that Date knows, leap days and centuries included', () => {
    const moments = fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(2500, 0, 1) });
    fc.assert(
      fc.property(moments, (wallMs) => {
        const iso = new Date(wallMs).toISOString();
        expect(microTime(wallMs)).toBe(iso.replace('Z', '000Z'));
        expect(plainTime(wallMs)).toBe(`${iso.slice(0, 19)}Z`);
      }),
    );
  });
});
