import { describe, expect, it } from '@jest/globals';
import { done, failed, unknown } from '../../../src/shared/outcome.ts';
import { begun } from './guard-table.ts';
import { beatMs } from './views.ts';
import { World } from './world.ts';

/** n1 with web-0, whose Node was deleted; that needs no silence to be believed. */
function goneWith(...silent: readonly string[]): World {
  const world = World.healthy(5);
  world.workload('web-0', 'n1');
  for (const node of ['n1', ...silent]) world.silent(node);
  world.pass(20_000);
  const node = world.state.nodes.get('n1');
  if (node !== undefined) world.remove(node);
  expect(world.verdict('n1').kind).toBe('Gone');
  return world;
}

/** All silences start again, so that nobody is Suspect for a while. */
const gaps: readonly (readonly [string, (world: World) => void])[] = [
  ['we were suspended', (w) => w.see({ kind: 'Suspended', gapMs: 60_000 })],
  ['the watches of Leases were broken', (w) => interrupted(w)],
  [
    'nobody could renew anything, and one agent can again',
    (w) => {
      w.silent('n5');
      w.pass(2 * beatMs + 1_000);
      w.back('n5');
    },
  ],
];

function interrupted(world: World): void {
  for (const source of ['heartbeats', 'kubeletLeases'] as const) {
    world.see({ kind: 'WatchLost', source, reason: 'reset' });
    world.see({ kind: 'WatchResumed', source });
  }
}

describe('a storm that goes on while our view has a gap', () => {
  it.each(gaps)('lets no deleted Node through when %s', (_why, gap) => {
    const world = goneWith('n2', 'n3', 'n4');
    gap(world);
    expect(world.verdict('n2').kind).toBe('Alive');
    expect(begun(world)).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['storm']);
    // Nor later, when those who are still silent are found to be so.
    world.pass(2 * beatMs);
    expect(world.verdict('n2').kind).toBe('Suspect');
    expect(begun(world)).toEqual([]);
  });
});

describe('a node whose agent is down', () => {
  function stopped(world: World): void {
    for (const node of ['n2', 'n3', 'n4']) world.beat(node, { driver: 'stopping' });
    for (const node of ['n2', 'n3', 'n4']) world.silent(node);
    world.pass(20_000);
    interrupted(world);
    world.pass(beatMs * 2);
  }

  it('counts for a storm as long as its kubelet was not heard since the gap, either', () => {
    const world = goneWith();
    stopped(world);
    expect(world.verdict('n2').kind).toBe('AgentDown');
    expect(begun(world)).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['storm']);
  });

  it('does not when that has renewed', () => {
    const world = goneWith();
    stopped(world);
    for (const node of ['n2', 'n3', 'n4']) world.back(node, 'kubelet');
    world.pass(10_000);
    expect(world.verdict('n2').kind).toBe('AgentDown');
    expect(begun(world)).toEqual(['n1']);
  });
});

describe('a gap in our view without a storm', () => {
  it('holds a deleted Node only until the others have been heard again', () => {
    const world = goneWith();
    expect(begun(world)).toEqual(['n1']);
    interrupted(world);
    expect(begun(world)).toEqual([]);
    world.pass(beatMs);
    expect(begun(world)).toEqual(['n1']);
  });

  it('does not count a node that never had an agent', () => {
    const world = goneWith();
    for (const node of ['n2', 'n3', 'n4']) {
      const seen = world.state.heartbeats.get(world.heartbeatKey(node));
      if (seen !== undefined) world.remove(seen.view, 'heartbeats');
    }
    interrupted(world);
    expect(begun(world)).toEqual(['n1']);
  });
});

describe('a node whose episode we have asked for, and which looks well before we see its record', () => {
  /** n1 was lost for a moment; then the Node n2 is deleted, and one of four may be moved. */
  function askedFor() {
    const world = World.healthy(4);
    world.workload('web-0', 'n1');
    world.workload('db-0', 'n2');
    world.silent('n1');
    world.pass(20_000);
    const [action] = world.wanted('BeginEpisode');
    if (action === undefined) throw new Error('nothing is begun');
    expect(action.node).toBe('n1');
    world.see({ kind: 'Begun', action });
    world.back('n1');
    expect(world.verdict('n1').kind).toBe('Alive');
    const node = world.state.nodes.get('n2');
    if (node !== undefined) world.remove(node);
    return { world, action };
  }

  it('counts for a storm while the request is under way, and for as long as it may be', () => {
    const { world } = askedFor();
    expect(begun(world)).toEqual([]);
    expect(world.words('FailoverHeld', 'db-0')).toEqual(['storm']);
    world.pass(59_000);
    expect(begun(world)).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 1_000);
    world.pass(1_000);
    expect(begun(world)).toEqual(['n2']);
  });

  it.each([
    ['done', done],
    ['not known to be done', unknown('TIMEOUT', '')],
  ])('counts when it is %s', (_what, outcome) => {
    const { world, action } = askedFor();
    world.settle(action, outcome);
    expect(begun(world)).toEqual([]);
  });

  it('does not when it was refused', () => {
    const { world, action } = askedFor();
    world.settle(action, failed('HTTP_409', ''));
    expect(begun(world)).toEqual(['n2']);
  });

  it('does not any more when its record has been seen, and is gone', () => {
    const { world } = askedFor();
    world.record('n1', [], { phase: 'Released' });
    expect(begun(world)).toEqual([]);
    world.noRecord('n1');
    expect(begun(world)).toEqual(['n2']);
  });
});

describe('nodes that carry our taint, and whose Leases are gone with their records', () => {
  it('count as being in episode: they are adopted, and no other one is begun beside them', () => {
    const world = goneWith('n2', 'n3');
    for (const node of ['n2', 'n3']) {
      world.taint(node);
      world.remove(world.heartbeat(node), 'heartbeats');
    }
    interrupted(world);
    world.pass(2 * beatMs);
    expect(world.verdict('n2').kind).toBe('AgentDown');
    expect(begun(world)).toEqual(['n2', 'n3']);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['storm']);
    // Without the taints, nothing speaks against it.
    for (const node of ['n2', 'n3']) world.untaint(node);
    expect(begun(world)).toEqual(['n1']);
  });
});
