import { describe, expect, it } from '@jest/globals';
import { equal, frozen, frozenOver, sealLightly } from '../../model/json.ts';

describe('what comes in the place of something', () => {
  const old = frozen({
    spec: { renewTime: '1', holder: 'a' },
    labels: { a: 'b' },
    list: [{ n: 1 }],
  });

  it('is the old one itself if nothing has changed', () => {
    const copy = { list: [{ n: 1 }], labels: { a: 'b' }, spec: { holder: 'a', renewTime: '1' } };
    expect(frozenOver(copy, old)).toBe(old);
    expect(frozenOver({ ...copy, more: undefined }, old)).toBe(old);
  });

  it('shares what has not changed, and is frozen all the way down', () => {
    const next = frozenOver({ ...old, spec: { ...old.spec, renewTime: '2' } }, old);
    expect(next).toStrictEqual({ ...old, spec: { renewTime: '2', holder: 'a' } });
    expect([next.labels, next.list]).toStrictEqual([old.labels, old.list]);
    expect(next.labels).toBe(old.labels);
    expect(next.list).toBe(old.list);
    expect([next, next.spec, next.list].every((one) => Object.isFrozen(one))).toBe(true);
  });

  it('is another one if something is missing, null, or more', () => {
    const { labels: _, ...less } = old;
    expect(frozenOver(less, old)).toStrictEqual(less);
    expect(frozenOver({ ...old, labels: null }, old)).toStrictEqual(less);
    const more = { ...old, list: [{ n: 1 }, { n: 2 }] };
    expect(frozenOver(more, old)).toStrictEqual(more);
    expect(equal(more, old)).toBe(false);
  });
});

describe('where thousands of seeds run', () => {
  it('nothing can be added to what is made, and what was made is shared as ever', () => {
    sealLightly();
    const made = frozen({ labels: { a: 'b' } });
    expect(Object.isFrozen(made.labels)).toBe(false);
    expect(() => Object.assign(made.labels, { c: 'd' })).toThrow(TypeError);
    const next = frozenOver({ ...made, spec: {} }, made);
    expect(next.labels).toBe(made.labels);
    expect(frozenOver({ labels: { a: 'b' } }, made)).toBe(made);
  });
});
