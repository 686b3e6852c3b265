import { beforeEach, describe, expect, it } from '@jest/globals';
import { expectationsOf, recoveryMs } from '../../demo/expectations.ts';
import {
  actsOf,
  describeAll,
  expectationsText,
  lastSentence,
  verdictText,
} from '../../demo/report.ts';
import type { DemoRecord } from '../../demo/run.ts';
import { Script, zero } from './script.ts';

let script: Script;

beforeEach(() => {
  script = new Script();
});

function acts(changed: Partial<DemoRecord> = {}) {
  return { ...actsOf({ ...script.record(), ...changed }), cast: 1 };
}

/** The sentences that do not hold. */
function broken(changed: Partial<DemoRecord> = {}): readonly string[] {
  return expectationsOf(acts(changed))
    .filter(({ holds }) => !holds)
    .map(({ sentence }) => sentence);
}

/** A run in which everything was as it should be, with one thing different. */
function playExcept(different: () => void): void {
  script.failover();
  script.comeBack();
  different();
}

describe('expectationsOf', () => {
  it('all hold when everything was so', () => {
    playExcept(() => undefined);
    expect(broken()).toEqual([]);
    expect(recoveryMs(acts())).toBe(13_000);
  });

  it('most do not hold when nothing happened', () => {
    expect(broken()).toEqual([
      'Every labelled workload writes again on another machine',
      'Within 20 s of the power failure',
      'It was one episode',
      'Nothing was deleted without naming its uid',
      'The machine came back, was proven clean and released',
    ]);
  });

  const cases: readonly (readonly [string, () => void, Partial<DemoRecord>?])[] = [
    ['Everything that was waited for happened', () => undefined, { disappointments: ['x'] }],
    [
      'No replaced pod wrote after its replacement',
      () => script.wrote('shop', 'worker-a', script.journal[0]?.podUid ?? ''),
    ],
    [
      'Every replacement found all that was acknowledged before',
      () => {
        const [last] = script.journal.slice(-1);
        if (last !== undefined) script.journal.push({ ...last, seq: last.seq + 7 });
      },
    ],
    ['The unlabelled workloads were left alone', () => script.deletePod('shop-plain')],
    [
      'They wrote nothing until their machine came back',
      () => {
        script.at = zero + 15_000;
        script.wrote('shop-plain', 'worker-a');
      },
    ],
    ['It was one episode', () => script.intend('e2')],
    ['Nothing was deleted without naming its uid', () => script.deletePod('shop', {})],
    ['No taint of ours is left on any node', () => script.taint('out-of-service')],
  ];

  it.each(cases)('%s: not so', (sentence, different, changed = {}) => {
    playExcept(different);
    expect(broken(changed)).toContain(sentence);
  });

  it('notices a pod that was ended before its volume was fenced', () => {
    script.at = zero + 10_000;
    script.intend();
    script.hold();
    script.deletePod('shop');
    script.unpublished();
    expect(broken()).toContain('No pod was ended before its volume was fenced');
  });

  it('notices a recovery that took too long', () => {
    script.failover();
    const { journal } = script;
    const late = journal.map((entry) =>
      entry.nodeId === 'worker-b' ? { ...entry, time: zero + 20_001 } : entry,
    );
    expect(broken({ journal: late })).toContain('Within 20 s of the power failure');
  });
});

describe('the report', () => {
  it('ends with one sentence: recovery time and verdict', () => {
    playExcept(() => undefined);
    const good = acts();
    expect(lastSentence(good, expectationsOf(good))).toBe(
      'The 1 labelled workloads of worker-a wrote again 13.0 s after its power failed, and the array found 0 violations in 6 writes.',
    );
  });

  it('says in that sentence that something was not so', () => {
    const bad = acts();
    expect(lastSentence(bad, expectationsOf(bad))).toMatch(
      /did not all come back, and .*, but 5 of 12 expectations do not hold\.$/,
    );
  });

  it('lists each expectation as ok or NOT', () => {
    const lines = expectationsText(expectationsOf(acts())).split('\n');
    expect(lines.filter((line) => line.startsWith('  NOT  '))).toHaveLength(5);
    expect(lines.filter((line) => line.startsWith('  ok   '))).toHaveLength(7);
  });

  it('shows the Events of an object, not those of its namesake before', () => {
    playExcept(() => undefined);
    const event = (uid: string, note: string) => ({
      regarding: { kind: 'Pod', namespace: 'shop', name: 'web-0', uid },
      reason: 'R',
      note,
    });
    const events = [
      event(script.journal[0]?.podUid ?? '', 'old'),
      event(script.uid('shop'), 'new'),
    ];
    const text = describeAll(acts({ events }));
    expect(text).toContain('$ kubectl describe pod web-0 -n shop\n');
    expect(text).toMatch(/R +\d+m +<unknown> +new/);
    expect(text).not.toMatch(/R +\d+m +<unknown> +old/);
  });

  it('shows each writer and the verdict', () => {
    playExcept(() => undefined);
    expect(verdictText(acts())).toMatch(
      /shop\/web-0 +worker-b +13\.0 to +13\.0 s +1 writes accepted/,
    );
    expect(verdictText(acts())).toContain('verdict: 0 violations, 0 acknowledged writes missing');
  });
});
