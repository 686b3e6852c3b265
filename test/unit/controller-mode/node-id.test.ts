import { describe, expect, it } from '@jest/globals';
import { driver } from './views.ts';
import { World } from './world.ts';

const evict = 'Evict default/web-0';

/** n1 is Lost, and the volume of web-0, published to id-n1, is confirmed to be taken away. */
function confirmed(listsPublishedNodes = false): World {
  const world = World.healthy();
  const capabilities = { publishUnpublish: true, listsPublishedNodes, health: 'none' as const };
  world.see({ kind: 'Driver', capabilities });
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.record('n1', ['web-0'], { phase: 'Fenced' });
  world.mark('web-0');
  world.taint('n1');
  world.stage('web-0', 'n1', 'held');
  return world.pass(5_000);
}

function register(world: World, nodeId: string | undefined): void {
  const known = world.state.csinodes.get('n1');
  if (known === undefined) throw new Error('no CSINode n1');
  world.put({ ...known, nodeIds: nodeId === undefined ? {} : { [driver]: nodeId } });
}

describe('a node that registers anew in the middle of the fence', () => {
  it('keeps its pod under another id, since the attacher may have unpublished that one', () => {
    const world = confirmed();
    expect(world.steps()).toContain(evict);
    expect(world.notices('VolumeFenced')).toHaveLength(1);
    register(world, 'id-other');
    expect(world.steps()).not.toContain(evict);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['node-id-changed']);
    // And its claim does not say that the volume was taken away.
    expect(world.notices('VolumeFenced')).toEqual([]);
    register(world, 'id-n1');
    expect(world.steps()).toContain(evict);
  });

  it.each([true, false])(
    'keeps a hold from being ended that is only begun (lists: %s)',
    (lists) => {
      const world = confirmed(lists);
      world.stage('web-0', 'n1', 'begun');
      expect(world.words('FailoverWaiting', 'web-0')).toEqual(['fence-unconfirmed']);
      register(world, 'id-other');
      expect(world.words('FailoverWaiting', 'web-0')).toEqual(['node-id-changed']);
    },
  );

  it('does not matter while it has not named the driver, or where nobody noted an id', () => {
    const world = confirmed();
    register(world, undefined);
    expect(world.steps()).toContain(evict);
    register(world, 'id-other');
    world.put({ ...world.findAttachment('web-0', 'n1'), nodeId: '' });
    expect(world.steps()).toContain(evict);
  });

  it('does not matter where the driver itself lists who has the volume', () => {
    const world = confirmed(true);
    register(world, 'id-other');
    const [verify] = world.wanted('VerifyRevoked');
    if (verify === undefined) throw new Error('nobody asks the driver');
    world.settle(verify);
    expect(world.steps()).toContain(evict);
  });
});

describe('an eviction', () => {
  it('carries the holds and the node id that it rests on', () => {
    const world = confirmed();
    const { name, uid } = world.findAttachment('web-0', 'n1');
    expect(world.wanted('Evict')).toMatchObject([
      { holds: [{ name, uid }], nodeIds: [world.findAttachment('web-0', 'n1').nodeId] },
    ]);
  });

  it('rests on no node id where the driver itself lists who has the volume', () => {
    const world = confirmed(true);
    const [verify] = world.wanted('VerifyRevoked');
    if (verify === undefined) throw new Error('nobody asks the driver');
    world.settle(verify);
    expect(world.wanted('Evict')).toMatchObject([{ nodeIds: [] }]);
  });
});
