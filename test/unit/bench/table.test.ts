import { describe, expect, it } from '@jest/globals';
import type { Method } from '../../bench/methods.ts';
import { summaryOf, tableOf, withSummary } from '../../bench/table.ts';
import type { Trial } from '../../bench/trial.ts';

function way(key: string): Method {
  return {
    key,
    name: `the ${key} way`,
    about: '',
    controllerFlags: undefined,
    patienceMs: 180_000,
    act: () => Promise.resolve(0),
  };
}

function trial(method: string, firstWrite: number | undefined): Trial {
  return {
    method,
    pods: 10,
    violations: 0,
    recovered: 10,
    detachSpan: 1,
    halfWritten: firstWrite,
    requests: method === 'ours' ? { 'csi-failover': { 'get leases': 30, 'patch pods': 10 } } : {},
    ends: {
      detection: 1,
      fence: firstWrite,
      eviction: firstWrite,
      detach: firstWrite,
      attach: firstWrite,
      'first write': firstWrite,
    },
  };
}

describe('tableOf', () => {
  it('has a row per way, the ratio to csi-failover, and says what never came', () => {
    const ways = [way('stock'), way('taint'), way('ours')];
    const trials = [trial('ours', 15), trial('taint', 75), trial('stock', undefined)];
    const [, , ...rows] = tableOf(trials, ways).split('\n');
    expect(rows).toEqual([
      '| 10 | the stock way | 1.0 | - | - | - | - | > 180 | > 180 (> 12.0x) |  |',
      '| 10 | the taint way | 1.0 | 75.0 | 75.0 | 75.0 | 75.0 | 75.0 | 75.0 (5.0x) |  |',
      '| 10 | the ours way | 1.0 | 15.0 | 15.0 | 15.0 | 15.0 | 15.0 | 15.0 | 4.0 |',
    ]);
  });

  it('gives no ratio without csi-failover', () => {
    expect(tableOf([trial('taint', 75)], [way('taint')])).toContain('| 75.0 | 75.0 |  |');
  });
});

describe('summaryOf', () => {
  it('has a column per number of pods, and leaves out what was not measured', () => {
    const ways = [way('stock'), way('ours')];
    const one = { ...trial('ours', 12), pods: 1 };
    const trials = [trial('ours', 15), trial('stock', undefined), one];
    expect(summaryOf(trials, ways).split('\n')).toEqual([
      '|  | 1 pod | 10 pods |',
      '| --- | ---: | ---: |',
      '| the stock way |  | > 180 (> 12.0x) |',
      '| the ours way | 12.0 | 15.0 |',
    ]);
  });
});

describe('withSummary', () => {
  const [begin, end] = ['<!-- bench:failover -->', '<!-- end of bench:failover -->'];

  it('puts the table in its place, whatever stood there', () => {
    const text = `a\n${begin}\nold\n${end}\nb`;
    expect(withSummary(text, 'new')).toBe(`a\n${begin}\nnew\n${end}\nb`);
  });

  it.each(['', begin, end, `${begin}${end}${begin}${end}`])('refuses %j', (text) => {
    expect(() => withSummary(text, 'new')).toThrow('not exactly one place');
  });
});
