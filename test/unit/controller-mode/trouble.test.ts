import { describe, expect, it } from '@jest/globals';
import { memoryOf } from '../../../src/controller-mode/state.ts';
import { reachOf } from '../../../src/controller-mode/scope.ts';
import { reportAnnotation } from '../../../src/shared/names.ts';
import { StorageWorld } from './storage-world.ts';

function sick(): StorageWorld {
  const world = StorageWorld.stored('get');
  world.workload('web-0', 'n1');
  world.says('web-0', 'Healthy');
  world.sick('n1', ['web-0']);
  return world;
}

function trouble(world: StorageWorld) {
  return memoryOf(world.state, 'n1').troubles.get('vol-web-0');
}

function scope(world: StorageWorld): string {
  return world.rule('n1', 'web-0').scope;
}

/** Nothing moves for the whole of --unhealthy-after, and right after it something may. */
function expectToLastAnew(world: StorageWorld): void {
  world.pass(29_999);
  expect(scope(world)).toBe('unknown');
  world.pass(1);
  expect(scope(world)).toBe('volume-on-node');
}

describe('trouble that a node reports', () => {
  it('counts from the moment at which we saw it, whatever the report says meanwhile', () => {
    const world = sick();
    world.pass(20_000);
    world.sick('n1', ['web-0', 'other'], 'Hung');
    world.pass(9_999);
    expect(scope(world)).toBe('unknown');
    world.pass(1);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('starts anew after a break, however short', () => {
    const world = sick();
    world.pass(29_000);
    world.well('n1');
    world.pass(1_000);
    world.sick('n1', ['web-0']);
    world.pass(29_000);
    expect(scope(world)).toBe('unknown');
    world.pass(1_000);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('starts anew when it turns from degraded to lost', () => {
    const world = sick();
    world.sick('n1', ['web-0'], 'Degraded');
    world.pass(60_000);
    world.sick('n1', ['web-0'], 'Inaccessible');
    expectToLastAnew(world);
  });

  it('starts anew after a gap in our own view', () => {
    const world = sick();
    world.pass(60_000);
    world.see({ kind: 'Suspended', gapMs: 5_000 });
    expect(scope(world)).toBe('unknown');
    world.pass(30_000);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('starts anew when the agent is heard again after a gap, which repeats what it saw before', () => {
    const world = sick();
    world.pass(60_000);
    world.silent('n1', 'agent').pass(9_000).back('n1', 'agent');
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
    world.silent('n1', 'agent').pass(10_000).back('n1', 'agent');
    expect(scope(world)).toBe('unknown');
    world.pass(30_000);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('is remembered since its beginning through a short break, and not through a long one', () => {
    const world = sick();
    const { now } = world;
    world.pass(5_000);
    world.well('n1');
    world.pass(9_000);
    world.sick('n1', ['web-0']);
    expect(trouble(world)?.since).toBe(now);
    world.well('n1');
    world.pass(10_000);
    world.sick('n1', ['web-0']);
    expect(trouble(world)?.since).toBe(world.now);
  });

  it('is no trouble of the volume while the driver on the node does not answer', () => {
    const world = sick();
    world.pass(30_000);
    world.sick('n1', ['web-0'], 'Inaccessible', { driver: 'silent' });
    expect(scope(world)).toBe('unknown');
  });

  it('is gone with the Lease, and unknown when the report cannot be read', () => {
    const world = sick();
    world.pass(30_000);
    world.changeHeartbeat('n1', { annotations: { [reportAnnotation]: '{' } });
    expect(scope(world)).toBe('unknown');
    world.sick('n1', ['web-0']);
    world.remove(world.heartbeat('n1'), 'heartbeats');
    expect(trouble(world)?.goneAt).toBe(world.now);
    expect(world.state.troubledNodes.size).toBe(0);
  });

  it('does not fill our memory', () => {
    const world = sick();
    const many = Array.from({ length: 1_500 }, (_, i) => `v${i}`);
    for (let i = 0; i < 30; i += 1) world.sick('n1', many.slice(50 * i, 50 * i + 50));
    const { troubles } = memoryOf(world.state, 'n1');
    expect(troubles.size).toBe(1_000);
    world.well('n1');
    world.now += 600_001;
    world.well('n1', 3);
    expect(troubles.size).toBe(0);
  });
});

describe('how far trouble reaches on a node', () => {
  it.each([
    [{ good: 0, bad: 1, unknown: 0 }, 'one'],
    [{ good: 1, bad: 1, unknown: 0 }, 'one'],
    [{ good: 2, bad: 2, unknown: 0 }, 'one'],
    [{ good: 1, bad: 2, unknown: 0 }, 'most'],
    [{ good: 1, bad: 2, unknown: 1 }, 'one'],
    [{ good: 0, bad: 2, unknown: 0 }, 'most'],
  ])('is by the count %j %s', (volumes, expected) => {
    const world = sick();
    world.sick('n1', ['web-0'], 'Inaccessible', { volumes });
    expect(reachOf(world.state, 'n1')).toBe(expected);
  });

  it('is the whole way to the storage if the driver says so, and then for what is not listed', () => {
    const world = sick();
    const storage = { status: 'unreachable', reason: 'NoPath', message: '' } as const;
    const volumes = { good: 0, bad: 0, unknown: 9 };
    world.sick('n1', [], 'Inaccessible', { storage, volumes });
    world.pass(30_000);
    expect(scope(world)).toBe('node-storage');
    world.sick('n1', [], 'Inaccessible', { storage, volumes: { ...volumes, good: 1 } });
    expect(scope(world)).toBe('none');
    world.sick('n1', [], 'Inaccessible', { storage: { ...storage, status: 'degraded' }, volumes });
    expect(reachOf(world.state, 'n1')).toBe('one');
  });
});

describe('what other nodes say', () => {
  function lasting(health: 'get' | 'none' = 'get'): StorageWorld {
    const world = StorageWorld.stored(health);
    world.workload('web-0', 'n1');
    world.sick('n1', ['web-0']);
    world.pass(29_000);
    world.says('web-0', 'Healthy');
    world.pass(1_000);
    return world;
  }

  it('counts as trouble of the storage above the storm bound, however young it is', () => {
    const world = lasting();
    world.sick('n2', ['a']);
    expect(scope(world)).toBe('volume-on-node');
    world.sick('n3', ['b'], 'Degraded');
    expect(scope(world)).toBe('volume-on-node');
    world.sick('n3', ['b']);
    expect(scope(world)).toBe('backend');
  });

  it('makes the last one to get well begin anew: a storage comes back to one after the other', () => {
    const world = lasting();
    world.sick('n2', ['a']);
    world.sick('n3', ['b']);
    world.pass(60_000);
    world.well('n3');
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    expectToLastAnew(world);
  });

  it('makes one begin anew when another falls silent in the middle of it', () => {
    const world = lasting();
    world.sick('n2', ['a']);
    world.sick('n3', ['b']);
    world.pass(60_000);
    world.silent('n3', 'agent').pass(11_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    world.pass(29_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
  });

  it('makes one of two with the same volume begin anew when the other is well', () => {
    const world = lasting();
    world.attach('web-0', 'n2');
    world.sick('n2', ['web-0']);
    world.pass(60_000);
    expect(scope(world)).toBe('backend');
    world.well('n2');
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    world.pass(30_000);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('makes it begin anew when the storage calls the volume well again: nodes look later', () => {
    const world = lasting();
    world.says('web-0', 'Abnormal');
    world.pass(60_000);
    expect(scope(world)).toBe('volume');
    world.says('web-0', undefined);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    world.pass(29_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    world.pass(1_000);
    expect(scope(world)).toBe('volume-on-node');
  });

  it('counts only of nodes whose agent is heard', () => {
    const world = lasting();
    world.sick('n2', ['a']);
    world.sick('n3', ['b']);
    world.silent('n3');
    world.pass(40_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
  });

  it('counts as the same trouble only where the volume is attached and not taken away', () => {
    const world = lasting();
    world.sick('n2', ['web-0']);
    expect(scope(world)).toBe('volume-on-node');
    world.attach('web-0', 'n2');
    expect(scope(world)).toBe('backend');
    for (const stage of ['begun', 'fencing', 'held'] as const) {
      world.stage('web-0', 'n2', stage);
      expect(scope(world)).toBe('volume-on-node');
    }
  });

  it('stands in for the storage only as long as one of them is heard and sees good ones', () => {
    const world = lasting('none');
    expect(scope(world)).toBe('volume-on-node');
    for (const node of ['n2', 'n3', 'n4']) world.well(node, 0);
    expect(scope(world)).toBe('volume-on-node');
    world.silent('n5');
    world.pass(10_000);
    expect(scope(world)).toBe('unknown');
  });
});

describe('an outage of the management during which the driver answers with errors', () => {
  const unsure = { volumes: { good: 0, bad: 0, unknown: 2 } };

  /** n1 says that its volume is bad, all others cannot tell, and nobody can ask the storage. */
  function outage(others: readonly string[] = ['n2', 'n3', 'n4', 'n5']): StorageWorld {
    const world = StorageWorld.stored('get', { maxLostNodes: { count: 1 } });
    world.workload('web-0', 'n1');
    world.says('web-0', 'Healthy');
    world.sick('n1', ['web-0'], 'Abnormal');
    for (const node of others) world.well(node, 0, unsure);
    world.silentStorage('web-0');
    world.pass(60_000);
    world.silentStorage('web-0');
    return world.pass(1_000);
  }

  it('is over for the storage before it is for the nodes, which look later', () => {
    const world = outage();
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('unknown');
    expectToLastAnew(world);
  });

  it('is over for one node after the other, and what is left then must last anew', () => {
    const world = outage();
    world.says('web-0', 'Healthy');
    world.pass(20_000);
    for (const node of ['n2', 'n3', 'n4', 'n5']) world.well(node);
    world.says('web-0', 'Healthy');
    expectToLastAnew(world);
  });

  it('does not count if only the storage could not be asked', () => {
    const world = outage([]);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
  });

  it('does not count if the nodes can never tell while the storage answers', () => {
    const world = StorageWorld.stored('get', { maxLostNodes: { count: 1 } });
    world.workload('web-0', 'n1');
    for (const node of ['n2', 'n3', 'n4', 'n5']) world.well(node, 0, unsure);
    world.pass(60_000);
    world.sick('n1', ['web-0']);
    world.says('web-0', 'Healthy');
    world.pass(30_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
  });

  it('is of many: of few it is their own', () => {
    const world = StorageWorld.stored('get', { maxLostNodes: { count: 2 } });
    world.workload('web-0', 'n1');
    world.sick('n1', ['web-0']);
    world.well('n2', 0, unsure);
    world.silentStorage('web-0');
    world.pass(60_000);
    world.says('web-0', 'Healthy');
    expect(scope(world)).toBe('volume-on-node');
    world.well('n2');
    expect(scope(world)).toBe('volume-on-node');
  });

  it('does not outlive its nodes', () => {
    const world = outage();
    for (const name of ['n2', 'n3', 'n4', 'n5']) {
      const { nodes, csinodes } = world.state;
      for (const object of [csinodes.get(name), nodes.get(name)]) {
        if (object !== undefined) world.remove(object);
      }
    }
    expect(world.state.unsureNodes.size).toBe(0);
  });
});
