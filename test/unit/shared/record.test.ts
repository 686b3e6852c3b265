import { describe, expect, it } from '@jest/globals';
import { type NodeReport, decodeNodeReport, encodeNodeReport } from '../../../src/shared/record.ts';

const report: NodeReport = {
  v: 1,
  bootId: 'b1',
  nodeId: 'n1',
  driver: 'ok',
  kubelet: 'ok',
  unhealthy: [{ handle: 'vol-1', status: 'Inaccessible', reason: 'ReadOnly', message: 'ro' }],
  volumes: { good: 3, bad: 1, unknown: 0 },
  storage: { status: 'unreachable', reason: 'NoPath', message: 'all paths down' },
};

describe("an agent's report", () => {
  it('comes back as it was written', () => {
    expect(decodeNodeReport(encodeNodeReport(report))).toEqual(report);
  });

  it('cuts messages before it leaves out a volume, since only named ones can be moved', () => {
    const unhealthy = Array.from({ length: 60 }, (_, i) => ({
      handle: `projects/shop/zones/europe-west4-a/disks/pvc-${i}`,
      status: 'Inaccessible' as const,
      reason: 'NoPath',
      message: '\u{1F4BE}'.repeat(90),
    }));
    const text = encodeNodeReport({ ...report, unhealthy });
    expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(8 * 1024);
    const handles = decodeNodeReport(text)?.unhealthy.map(({ handle }) => handle);
    expect(handles).toEqual(unhealthy.map(({ handle }) => handle));
  });

  it('leaves out volumes rather than exceed 8 KiB, and counts them nevertheless', () => {
    const unhealthy = Array.from({ length: 500 }, (_, i) => ({
      handle: `vol-${i}`,
      status: 'Hung' as const,
      reason: 'Timeout',
      message: 'é'.repeat(40),
    }));
    const text = encodeNodeReport({
      ...report,
      unhealthy,
      volumes: { good: 0, bad: 500, unknown: 0 },
    });
    expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(8 * 1024);
    expect(decodeNodeReport(text)?.volumes?.bad).toBe(500);
    expect(decodeNodeReport(text)?.unhealthy.length).toBeGreaterThan(10);
  });

  it.each<readonly [string, object]>([
    ['a status that nobody knows', { unhealthy: [{ handle: 'v', status: 'Fine' }] }],
    ['no status at all', { unhealthy: [{ handle: 'v' }] }],
    ['a number for a status', { unhealthy: [{ handle: 'v', status: 3 }] }],
  ])('reads %s as unknown, never as healthy', (_, said) => {
    const read = decodeNodeReport(JSON.stringify({ v: 1, ...said }));
    expect(read?.unhealthy).toEqual([{ handle: 'v', status: 'Unknown', reason: '', message: '' }]);
  });

  it('does not take garbage for counts, nor for a word on the storage', () => {
    const text = JSON.stringify({
      v: 1,
      volumes: { good: -1, bad: '7' },
      storage: { status: 'x' },
    });
    const read = decodeNodeReport(text);
    expect(read?.volumes).toEqual({ good: 0, bad: 0, unknown: 0 });
    expect(read?.storage).toBeUndefined();
    expect(decodeNodeReport('{"v":1}')?.volumes).toBeUndefined();
  });
});
