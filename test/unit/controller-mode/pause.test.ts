import { describe, expect, it } from '@jest/globals';
import { begun } from './guard-table.ts';
import { beatMs } from './views.ts';
import { World } from './world.ts';

const all = ['n1', 'n2', 'n3', 'n4'];

/** etcd has no quorum for 40 s: the watches show life, and nobody can renew anything. */
function withoutQuorum(): World {
  const world = World.healthy(all.length);
  world.workload('web-0', 'n1');
  for (const node of all) world.silent(node);
  return world.pass(40_000);
}

describe('a time in which nobody could renew anything', () => {
  it('is no silence of a node that comes back a little later than the others', () => {
    const world = withoutQuorum();
    for (const node of ['n2', 'n3', 'n4']) world.back(node);
    expect(world.verdict('n1').kind).toBe('Alive');
    expect(begun(world)).toEqual([]);
    world.pass(9_000);
    expect(begun(world)).toEqual([]);
    world.back('n1');
    expect(world.pass(60_000).verdict('n1').kind).toBe('Alive');
    expect(begun(world)).toEqual([]);
  });

  it('ends with the renewal of the leader, whose own Lease stood still, too', () => {
    const world = withoutQuorum();
    const lease = world.leader({ resourceVersion: '900000', renewTime: 'a' });
    expect(world.pass(20_000).verdict('n1').kind).toBe('Lost');
    world.put({ ...lease, resourceVersion: '900001', renewTime: 'b' }, 'heartbeats');
    expect(all.map((node) => world.verdict(node).kind)).toEqual(all.map(() => 'Alive'));
  });

  it('does not save a node that stays silent after it', () => {
    const world = withoutQuorum();
    for (const node of ['n2', 'n3', 'n4']) world.back(node);
    world.pass(15_000);
    expect(world.verdict('n1').kind).toBe('Lost');
    expect(begun(world)).toEqual(['n1']);
  });
});

describe('a time in which somebody renews', () => {
  it('is a silence of all others, however long', () => {
    const world = World.healthy(all.length);
    world.workload('web-0', 'n1');
    world.lose('n1');
    expect(begun(world)).toEqual(['n1']);
  });

  it('is one that lasts two heartbeats at most', () => {
    const world = World.healthy(all.length);
    world.workload('web-0', 'n1');
    world.silent('n1');
    for (const node of ['n2', 'n3', 'n4']) world.silent(node, 'agent');
    // All that is heard for 20 s is one agent now and then.
    for (let i = 0; i < 5; i += 1) {
      world.pass(2 * beatMs);
      world.beat('n2');
    }
    expect(world.verdict('n1').kind).toBe('Lost');
  });
});
