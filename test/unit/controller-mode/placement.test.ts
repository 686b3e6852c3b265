import { describe, expect, it } from '@jest/globals';
import { fits, matchesAny, tolerates } from '../../../src/controller-mode/placement.ts';
import type { NodeRequirement, Taint, Toleration } from '../../../src/shared/model.ts';
import { nodeView, podView } from './views.ts';

const object = { namespace: '', name: 'n1', uid: 'u', resourceVersion: '1' };
const node = nodeView(object, { labels: { zone: 'a', size: '8' } });

describe('a toleration', () => {
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoSchedule' };
  it.each<[string, Toleration, boolean]>([
    ['of key and value', { key: 'k', operator: 'Equal', value: 'v', effect: '' }, true],
    ['of another value', { key: 'k', operator: 'Equal', value: 'w', effect: '' }, false],
    ['without an operator, which means Equal', { ...taint, operator: '' }, true],
    ['of the key alone', { key: 'k', operator: 'Exists', value: '', effect: '' }, true],
    ['of another key', { key: 'l', operator: 'Exists', value: '', effect: '' }, false],
    ['of everything', { key: '', operator: 'Exists', value: '', effect: '' }, true],
    ['without key or Exists', { key: '', operator: 'Equal', value: 'v', effect: '' }, false],
    ['of the same effect', { ...taint, operator: 'Exists' }, true],
    ['of another effect', { ...taint, operator: 'Exists', effect: 'NoExecute' }, false],
  ])('%s', (_, toleration, expected) => {
    expect(tolerates([toleration], taint)).toBe(expected);
  });
});

describe('a node selector term', () => {
  const one = (change: Partial<NodeRequirement>) =>
    matchesAny([[{ field: false, key: 'zone', operator: 'In', values: ['a'], ...change }]], node);

  it.each<[Partial<NodeRequirement>, boolean]>([
    [{}, true],
    [{ values: ['b'] }, false],
    [{ operator: 'NotIn' }, false],
    [{ operator: 'NotIn', values: ['b'] }, true],
    [{ operator: 'NotIn', key: 'none' }, true],
    [{ operator: 'Exists', values: [] }, true],
    [{ operator: 'Exists', key: 'none', values: [] }, false],
    [{ operator: 'DoesNotExist', values: [] }, false],
    [{ operator: 'DoesNotExist', key: 'none', values: [] }, true],
    [{ operator: 'Gt', key: 'size', values: ['7'] }, true],
    [{ operator: 'Gt', key: 'size', values: ['8'] }, false],
    [{ operator: 'Lt', key: 'size', values: ['9'] }, true],
    [{ operator: 'Lt', key: 'size', values: ['8'] }, false],
    [{ operator: 'Lt', key: 'none', values: ['8'] }, false],
    [{ operator: 'Gt', key: 'zone', values: ['8'] }, false],
    [{ operator: 'Invented' }, false],
    [{ field: true, key: 'metadata.name', values: ['n1'] }, true],
    [{ field: true, key: 'metadata.name', values: ['n2'] }, false],
    [{ field: true, key: 'spec.other', values: ['a'] }, false],
  ])('%j', (change, expected) => {
    expect(one(change)).toBe(expected);
  });

  it('is one of several, and all of its requirements must hold', () => {
    const good: NodeRequirement = { field: false, key: 'zone', operator: 'In', values: ['a'] };
    const bad: NodeRequirement = { ...good, values: ['b'] };
    expect(matchesAny([[bad], [good]], node)).toBe(true);
    expect(matchesAny([[good, bad]], node)).toBe(false);
    expect(matchesAny([[]], node)).toBe(false);
    expect(matchesAny([], node)).toBe(false);
  });
});

describe('a pod fits a node', () => {
  const pod = podView({ ...object, name: 'p' });
  const inZone = (zone: string) => [
    [{ field: false, key: 'zone', operator: 'In', values: [zone] }],
  ];

  it('by its selector, its affinity and that of all its volumes', () => {
    expect(fits(pod, node, [])).toBe(true);
    expect(fits({ ...pod, nodeSelector: { zone: 'a' } }, node, [])).toBe(true);
    expect(fits({ ...pod, nodeSelector: { zone: 'b' } }, node, [])).toBe(false);
    expect(fits({ ...pod, nodeAffinity: inZone('a') }, node, [])).toBe(true);
    expect(fits({ ...pod, nodeAffinity: inZone('b') }, node, [])).toBe(false);
    expect(fits(pod, node, [inZone('a')])).toBe(true);
    expect(fits(pod, node, [inZone('a'), inZone('b')])).toBe(false);
  });

  it('by the taints of the node', () => {
    const tainted = (effect: string) => ({
      ...node,
      taints: [{ key: 'k', value: '', effect }],
    });
    const tolerations = [{ key: 'k', operator: 'Exists', value: '', effect: '' }];
    expect(fits(pod, tainted('PreferNoSchedule'), [])).toBe(true);
    expect(fits(pod, tainted('NoSchedule'), [])).toBe(false);
    expect(fits(pod, tainted('NoExecute'), [])).toBe(false);
    expect(fits({ ...pod, tolerations }, tainted('NoExecute'), [])).toBe(true);
  });
});
