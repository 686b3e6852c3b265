import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  nodeWords,
  otherWords,
  reachWords,
  ruleFor,
  rules,
  storageWords,
  type Views,
} from '../../../src/controller-mode/scope-rules.ts';
import { evidencePage } from './evidence-page.ts';
import { StorageWorld } from './storage-world.ts';

/** One cluster for each row of the table, in its order: web-0 runs on n1 and uses vol-web-0. */
const clusters: readonly {
  readonly row: string;
  readonly expected: readonly [string, string, RegExp];
  readonly world: () => StorageWorld;
}[] = [
  {
    row: 'the node has no trouble',
    expected: ['none', 'never', /no trouble/],
    world: () => {
      const world = on('get');
      world.well('n1');
      return world;
    },
  },
  {
    row: 'the node cannot tell',
    expected: ['unknown', 'never', /neither good nor bad/],
    world: () => sick('get', 'Unknown'),
  },
  {
    row: 'the data is lost',
    expected: ['volume', 'never', /data loss/],
    world: () => sick('get', 'DataLoss'),
  },
  {
    row: 'the storage calls everything abnormal',
    expected: ['control-plane', 'never', /most of its volumes/],
    world: () => {
      const world = sick('list', 'Inaccessible');
      world.lists({ 'web-0': 'Abnormal', a: 'Abnormal', b: 'Abnormal', c: 'Healthy' });
      return world;
    },
  },
  {
    row: 'the storage says so, too',
    expected: ['volume', 'never', /too, says/],
    world: () => {
      const world = sick('get', 'Inaccessible');
      world.says('web-0', 'Inaccessible');
      return world;
    },
  },
  {
    row: 'another node has the same trouble with it',
    expected: ['backend', 'never', /other nodes/],
    world: () => {
      const world = sick('get', 'Inaccessible');
      world.attach('web-0', 'n2');
      world.sick('n2', ['web-0']);
      world.says('web-0', 'Healthy');
      return world;
    },
  },
  {
    row: 'only its kubelet says so',
    expected: ['unknown', 'never', /kubelet alone/],
    world: () => {
      const world = on('get');
      world.kubeletSays('web-0', 'Inaccessible');
      world.says('web-0', 'Healthy');
      return world.pass(60_000);
    },
  },
  {
    row: 'it is young',
    expected: ['unknown', 'never', /--unhealthy-after/],
    world: () => {
      const world = on('get');
      world.sick('n1', ['web-0']);
      world.says('web-0', 'Healthy');
      world.pass(29_000);
      return world;
    },
  },
  {
    row: 'asking the storage failed',
    expected: ['unknown', 'ask', /failed/],
    world: () => {
      const world = sick('get', 'Inaccessible');
      world.says('web-0', 'Healthy');
      world.pass(1_000);
      world.silentStorage('web-0');
      return world;
    },
  },
  {
    row: 'the storage was asked long ago',
    expected: ['unknown', 'ask', /too old/],
    world: () => {
      const world = sick('list', 'Inaccessible');
      world.lists({ 'web-0': 'Healthy' });
      world.pass(181_000);
      return world;
    },
  },
  {
    row: 'the storage has no word on it',
    expected: ['unknown', 'ask', /no word/],
    world: () => sick('get', 'Inaccessible'),
  },
  {
    row: 'nobody but the node can tell',
    expected: ['unknown', 'never', /every other view is missing/],
    world: () => {
      const world = sick('none', 'Inaccessible');
      for (const node of ['n2', 'n3', 'n4', 'n5']) world.well(node, 0);
      return world;
    },
  },
  {
    row: 'the storage finds the volume well',
    expected: ['volume-on-node', 'move', /it is this node/],
    world: () => {
      const world = sick('get', 'Inaccessible');
      world.says('web-0', 'Healthy');
      return world;
    },
  },
  {
    row: 'the storage finds it well, and the node has lost most',
    expected: ['node-storage', 'move', /storage says .* most of its volumes/],
    world: () => {
      const world = sick('get', 'Inaccessible', ['web-0', 'a', 'b']);
      world.says('web-0', 'Healthy');
      return world;
    },
  },
  {
    row: 'the driver tells nothing, others do well',
    expected: ['volume-on-node', 'move', /tells nothing/],
    world: () => sick('none', 'Inaccessible'),
  },
  {
    row: 'the driver tells nothing, others do well, and the node has lost most',
    expected: ['node-storage', 'move', /lost most of its own/],
    world: () => sick('none', 'Inaccessible', ['web-0', 'a', 'b']),
  },
];

function on(health: 'list' | 'get' | 'none'): StorageWorld {
  const world = StorageWorld.stored(health);
  world.workload('web-0', 'n1');
  for (const name of ['a', 'b', 'c']) world.volume(name);
  return world;
}

/** The trouble of n1 lasts for 30 s. */
function sick(
  health: 'list' | 'get' | 'none',
  status: 'Inaccessible' | 'DataLoss' | 'Unknown',
  volumes: readonly string[] = ['web-0'],
): StorageWorld {
  const world = on(health);
  world.sick('n1', volumes, status);
  world.pass(30_000);
  return world;
}

describe('the rule of scope when', () => {
  it.each(clusters)('$row', ({ expected, world }) => {
    const { scope, moves, why } = world().rule('n1', 'web-0');
    const [wantedScope, wantedMoves, clause] = expected;
    expect([scope, moves]).toEqual([wantedScope, wantedMoves]);
    expect(why).toMatch(clause);
  });

  it.each(clusters.map((cluster, index) => ({ ...cluster, index })))(
    '$row is row $index of the table, and no other',
    ({ index, world }) => {
      expect(rules.indexOf(world().rule('n1', 'web-0'))).toBe(index);
    },
  );

  it('nothing else fits is never to move; every row but that one has its cluster above', () => {
    expect(rules.at(-1)).toMatchObject({ when: {}, scope: 'unknown', moves: 'never' });
    expect(clusters).toHaveLength(rules.length - 1);
  });
});

function everyView(): Views[] {
  return nodeWords.flatMap((node) =>
    reachWords.flatMap((reach) =>
      storageWords.flatMap((storage) =>
        otherWords.map((others) => ({ node, reach, storage, others })),
      ),
    ),
  );
}

describe('of all combinations of views', () => {
  it('only such move a pod in which the node is bad and the storage and others are not', () => {
    const moving = everyView().filter((views) => ruleFor(views).moves === 'move');
    const expected = everyView().filter(
      ({ node, storage, others }) =>
        node === 'bad' &&
        ((storage === 'good' && others !== 'several') ||
          (storage === 'not-offered' && others === 'good')),
    );
    expect(moving).toEqual(expected);
  });

  it('only the scopes of one node move a pod', () => {
    const scopes = everyView()
      .map(ruleFor)
      .filter(({ moves }) => moves === 'move')
      .map(({ scope }) => scope);
    expect(new Set(scopes)).toEqual(new Set(['volume-on-node', 'node-storage']));
  });

  it('none is left to the last row', () => {
    expect(everyView().filter((views) => ruleFor(views) === rules.at(-1))).toEqual([]);
  });
});

describe('docs/evidence.md', () => {
  it('is made of the rules (npm run evidence writes it)', () => {
    expect(readFileSync('docs/evidence.md', 'utf8')).toBe(evidencePage());
  });
});
