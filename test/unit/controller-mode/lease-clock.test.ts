import { describe, expect, it } from '@jest/globals';
import { observe } from '../../../src/controller-mode/observe.ts';
import { initialState } from '../../../src/controller-mode/state.ts';
import type { View } from '../../../src/shared/model.ts';
import type { WatchFact } from '../../../src/shared/watch-fact.ts';
import { leaseView, policy } from './views.ts';

describe('the clock of a Lease', () => {
  const lease = (renewTime: string, uid = 'u1', name = 'n1') =>
    leaseView({ namespace: 'kube-node-lease', name, uid, resourceVersion: '1' }, { renewTime });

  function seen(facts: readonly (readonly [at: number, fact: WatchFact])[]) {
    const state = initialState(policy, 0);
    for (const [at, fact] of facts) observe(state, fact, at);
    const { renewedAt, renewals } = state.kubeletLeases.get('kube-node-lease/n1') ?? {};
    return { renewedAt, renewals };
  }

  const upserted = (object: View): WatchFact => ({
    kind: 'Upserted',
    source: 'kubeletLeases',
    object,
  });
  const replaced = (...objects: readonly View[]): WatchFact => ({
    kind: 'Replaced',
    source: 'kubeletLeases',
    objects,
  });

  it.each<[string, (readonly [number, WatchFact])[], object]>([
    ['starts when it is first seen', [[5, upserted(lease('a'))]], { renewedAt: 5, renewals: 0 }],
    [
      'starts anew when renewTime changes',
      [
        [5, upserted(lease('a'))],
        [9, upserted(lease('b'))],
      ],
      { renewedAt: 9, renewals: 1 },
    ],
    [
      'does not care in which direction',
      [
        [5, upserted(lease('b'))],
        [9, upserted(lease('a'))],
      ],
      { renewedAt: 9, renewals: 1 },
    ],
    [
      'goes on over other changes and over listings',
      [
        [5, upserted(lease('a'))],
        [9, upserted({ ...lease('a'), holder: 'x' })],
        [12, replaced(lease('a'), lease('z', 'u9', 'n2'))],
      ],
      { renewedAt: 5, renewals: 0 },
    ],
    [
      'sees a renewal in a listing',
      [
        [5, upserted(lease('a'))],
        [12, replaced(lease('b'))],
      ],
      { renewedAt: 12, renewals: 1 },
    ],
    [
      'starts anew with another uid, whose first sight is no renewal',
      [
        [5, upserted(lease('a'))],
        [7, upserted(lease('b'))],
        [9, upserted(lease('c', 'u2'))],
      ],
      { renewedAt: 9, renewals: 0 },
    ],
    [
      'does not end with a removal of an earlier one',
      [
        [5, upserted(lease('a', 'u2'))],
        [
          7,
          {
            kind: 'Removed',
            source: 'kubeletLeases',
            namespace: 'kube-node-lease',
            name: 'n1',
            uid: 'u1',
          },
        ],
      ],
      { renewedAt: 5, renewals: 0 },
    ],
    [
      'ends when it is not listed any more',
      [
        [5, upserted(lease('a'))],
        [7, replaced()],
      ],
      { renewedAt: undefined, renewals: undefined },
    ],
  ])('%s', (_, facts, expected) => {
    expect(seen(facts)).toEqual(expected);
  });
});
