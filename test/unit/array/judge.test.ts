import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { JournalEntry } from '../../array/judge.ts';
import { judge } from '../../array/judge.ts';

/** `a0` is pod a's block 0 on volume v in slot s; `!` marks a refused one; `w:` another volume. */
function journal(text: string): JournalEntry[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word, index) => {
      const match = /^(?:(\w+):)?(?:(\w+)\/)?([a-z])(\d+)(!?)$/.exec(word);
      if (match === null) throw new Error(`not an entry: ${word}`);
      const [, handle = 'v', slot = 's', podUid = '', seq = '', refused] = match;
      const nodeId = `node-of-${podUid}`;
      const accepted = refused === '';
      return { time: index, handle, nodeId, slot, podUid, seq: Number(seq), accepted };
    });
}

describe('judge', () => {
  it.each([
    { what: 'nothing', text: '', violations: 0, gaps: 0 },
    { what: 'one pod', text: 'a0 a1 a2', violations: 0, gaps: 0 },
    { what: 'a hand-over', text: 'a0 a1 b2 b3', violations: 0, gaps: 0 },
    { what: 'a zombie that is refused', text: 'a0 b1 a1! a1! b2', violations: 0, gaps: 0 },
    { what: 'a zombie that is accepted', text: 'a0 b1 a1 b2', violations: 1, gaps: 0 },
    { what: 'every further write of it', text: 'a0 b1 a1 a2 a3 b2', violations: 3, gaps: 1 },
    { what: 'a replacement that only tried', text: 'a0 b1! a1 a2', violations: 0, gaps: 0 },
    { what: 'two hand-overs', text: 'a0 b1 c2 c3', violations: 0, gaps: 0 },
    { what: 'the first after two hand-overs', text: 'a0 b1 c2 a1', violations: 1, gaps: 1 },
    { what: 'two slots of one volume', text: 's/a0 t/b0 s/a1 t/b1', violations: 0, gaps: 0 },
    { what: 'one slot on two volumes', text: 'v:a0 w:b0 v:a1 w:b1', violations: 0, gaps: 0 },
    { what: 'a block written twice', text: 'a0 a1 a1 a2', violations: 0, gaps: 0 },
    { what: 'a block left out', text: 'a0 a2', violations: 0, gaps: 1 },
    { what: 'a replacement that lost blocks', text: 'a0 a1 a2 b1', violations: 0, gaps: 1 },
  ])('counts $what', ({ text, violations, gaps }) => {
    const verdict = judge(journal(text));
    expect(verdict.violations).toHaveLength(violations);
    expect(verdict.gaps).toHaveLength(gaps);
  });

  it('says who was replaced by whom', () => {
    const [violation] = judge(journal('a0 b1 a1')).violations;
    expect(violation?.entry.podUid).toBe('a');
    expect(violation?.replacedBy).toBe('b');
  });

  it('sums up every writer', () => {
    const { writers, accepted, rejected } = judge(journal('a0 a1 b2! b2 a2!'));
    expect({ accepted, rejected }).toEqual({ accepted: 3, rejected: 2 });
    expect(writers).toEqual([
      {
        handle: 'v',
        slot: 's',
        podUid: 'a',
        nodeId: 'node-of-a',
        accepted: 2,
        rejected: 1,
        firstAcceptedAt: 0,
        lastAcceptedAt: 1,
        firstRejectedAt: 4,
      },
      {
        handle: 'v',
        slot: 's',
        podUid: 'b',
        nodeId: 'node-of-b',
        accepted: 1,
        rejected: 1,
        firstAcceptedAt: 3,
        lastAcceptedAt: 3,
        firstRejectedAt: 2,
      },
    ]);
  });

  it('agrees with the definition on any order of writes', () => {
    const entry = fc.record({ podUid: fc.constantFrom('a', 'b', 'c'), accepted: fc.boolean() });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const whole = entries.map((e, time) => ({ ...e, time, handle: 'v', slot: 's', seq: time }));
        const nodes = whole.map((e) => ({ ...e, nodeId: 'n' }));
        const taken = nodes.filter((e) => e.accepted);
        const firstOf = (podUid: string) => taken.findIndex((e) => e.podUid === podUid);
        // Replaced: a pod whose first accepted write is later than mine came before this write.
        const expected = taken.filter((e, at) =>
          taken.some((o, other) => other < at && firstOf(o.podUid) > firstOf(e.podUid)),
        );
        expect(judge(nodes).violations.map((v) => v.entry)).toEqual(expected);
      }),
    );
  });
});
