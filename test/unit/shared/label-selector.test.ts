import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseLabelSelector, selects } from '../../../src/shared/label-selector.ts';

function match(text: string, labels: Record<string, string>): boolean {
  const parsed = parseLabelSelector(text);
  if (parsed.kind === 'Mistake') throw new Error(parsed.message);
  return selects(parsed.selector, labels);
}

describe('label selectors', () => {
  it.each<[string, Record<string, string>, boolean]>([
    ['a=b', { a: 'b' }, true],
    ['a=b', { a: 'c' }, false],
    ['a=b', {}, false],
    ['a == b', { a: 'b' }, true],
    ['a!=b', { a: 'c' }, true],
    ['a!=b', { a: 'b' }, false],
    ['a!=b', {}, true],
    ['a', { a: '' }, true],
    ['a', {}, false],
    ['!a', {}, true],
    ['!a', { a: 'x' }, false],
    ['a=', { a: '' }, true],
    ['a=', { a: 'x' }, false],
    ['a in (b, c)', { a: 'c' }, true],
    ['a in (b,c)', { a: 'd' }, false],
    ['a notin (b,c)', { a: 'd' }, true],
    ['a notin(b,c)', { a: 'b' }, false],
    ['a notin (b,c)', {}, true],
    ['a=b,c in (d,e),!f', { a: 'b', c: 'e' }, true],
    ['a=b,c in (d,e),!f', { a: 'b', c: 'e', f: '' }, false],
    ['csi-failover.io/enabled=true', { 'csi-failover.io/enabled': 'true' }, true],
    ['', {}, true],
    ['constructor', {}, false],
    ['a in ()', { a: '' }, true],
  ])('%p on %p is %p', (text, labels, expected) => {
    expect(match(text, labels)).toBe(expected);
  });

  it.each([
    ',',
    'a=b,',
    'a=b,,c=d',
    'a in b',
    'a in (b',
    'a in (b))',
    'a=b=c',
    'a b',
    '=b',
    '!',
    'a>1',
    'a/b/c=d',
    '/a',
    'UPPER.example/a',
    '-a',
    'a=-b',
    `a=${'x'.repeat(64)}`,
    'a in (b c)',
  ])('%p is a mistake that names it', (text) => {
    const parsed = parseLabelSelector(text);
    expect(parsed).toMatchObject({ kind: 'Mistake' });
    expect(parsed.kind === 'Mistake' && parsed.message).toContain(`label selector "${text}": `);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab=!,() in/'.split('')) }), (text) => {
        expect(['Selector', 'Mistake']).toContain(parseLabelSelector(text).kind);
      }),
    );
  });
});
