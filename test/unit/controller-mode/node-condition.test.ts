import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import { nodeView } from '../../../src/shared/kubernetes/convert.ts';
import { storageCondition } from '../../../src/shared/names.ts';
import { done } from '../../../src/shared/outcome.ts';
import { StorageWorld } from './storage-world.ts';
import { actionFor, before, nodeKey, StoreWorld } from './store-world.ts';
import { driver } from './views.ts';

const type = storageCondition(driver);
const wanted = { nodeCondition: true } as const;

/** Five nodes that all have the condition True. */
function known(changes = {}): StorageWorld {
  const world = StorageWorld.stored('none', { ...wanted, ...changes });
  for (const name of ['n1', 'n2', 'n3', 'n4', 'n5']) has(world, name, 'True StorageUsable');
  return world;
}

function has(world: StorageWorld, name: string, word: string): void {
  world.changeNode(name, { conditions: { [type]: word } });
}

function conditions(world: StorageWorld): string[] {
  return world
    .wanted('SetCondition')
    .map(({ node, condition: { status, reason } }) => `${node} ${status} ${reason}`);
}

describe('the condition of a node', () => {
  it('is written only where somebody asked for it', () => {
    expect(conditions(StorageWorld.stored('none'))).toEqual([]);
    expect(conditions(StorageWorld.stored('none', wanted))).toHaveLength(5);
  });

  it('is written when it changes, and not again', () => {
    const world = known();
    expect(conditions(world)).toEqual([]);
    has(world, 'n1', 'True AnotherReason');
    expect(conditions(world)).toEqual(['n1 True StorageUsable']);
  });

  it('is False while the driver does not answer, and True when it does again', () => {
    const world = known();
    world.beat('n1', { driver: 'silent' });
    world.pass(59_000);
    expect(conditions(world)).toEqual([]);
    world.pass(1_000);
    expect(conditions(world)).toEqual(['n1 False DriverDown']);
    has(world, 'n1', 'False DriverDown');
    expect(conditions(world)).toEqual([]);
    world.beat('n1', { driver: 'ok' });
    expect(conditions(world)).toEqual(['n1 True StorageUsable']);
  });

  it('is False when the whole way to the storage is gone, and not for one volume', () => {
    const world = known();
    world.workload('web-0', 'n1');
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.verdict('n1').kind).toBe('StorageLost');
    expect(conditions(world)).toEqual([]);
    world.sick('n1', ['web-0', 'a', 'b']);
    expect(conditions(world)).toEqual(['n1 False StorageLost']);
  });

  it('is Unknown when nobody there can tell, and as it was as long as that is open', () => {
    const world = known();
    world.silent('n1');
    world.pass(8_000);
    expect(world.verdict('n1').kind).toBe('Suspect');
    expect(conditions(world)).toEqual([]);
    world.pass(12_000);
    expect(conditions(world)).toEqual(['n1 Unknown Lost']);
    world.back('n1', 'kubelet');
    world.pass(40_000);
    expect(conditions(world)).toEqual(['n1 Unknown AgentDown']);
  });

  it('waits for an agent that is only late', () => {
    const world = known();
    world.silent('n1', 'agent');
    world.pass(25_000);
    expect(world.verdict('n1').kind).toBe('AgentDown');
    expect(conditions(world)).toEqual([]);
    world.pass(15_000);
    expect(conditions(world)).toEqual(['n1 Unknown AgentDown']);
  });

  it('is written only for the better while many nodes are in trouble', () => {
    const world = known({ maxLostNodes: { count: 1 } });
    has(world, 'n5', 'False DriverDown');
    world.beat('n1', { driver: 'silent' });
    world.beat('n2', { driver: 'silent' });
    world.pass(60_000);
    expect(conditions(world)).toEqual(['n5 True StorageUsable']);
  });

  it.each([
    ['the cluster is paused', (w: StorageWorld) => w.configMap({ paused: 'true' })],
    ['all is a rehearsal', (w: StorageWorld) => w.configMap({ 'dry-run': 'true' })],
    ['our view has a gap', (w: StorageWorld) => lose(w)],
  ])('is not written while %s', (_, change) => {
    const world = StorageWorld.stored('none', wanted);
    change(world);
    expect(conditions(world)).toEqual([]);
  });
});

function lose(world: StorageWorld): void {
  world.see({ kind: 'WatchLost', source: 'pods', reason: '' });
}

describe('writing it', () => {
  const ready = { type: 'Ready', status: 'True' };

  function stored(world: StoreWorld): JsonObject[] {
    const status = world.body('nodes', nodeKey)?.status as JsonObject | undefined;
    return (status?.conditions ?? []) as JsonObject[];
  }

  function withReady(): StoreWorld {
    const world = new StoreWorld();
    const body = { status: { conditions: [ready] } };
    world.store.patch('nodes', nodeKey, body, { subresource: 'status' });
    return world;
  }

  it('carries over what others wrote, and tells since when it is so', () => {
    const world = withReady();
    expect(world.run(actionFor('SetCondition', world))).toEqual(done);
    const [first, ours] = stored(world);
    expect(first).toMatchObject(ready);
    expect(ours).toMatchObject({ type, status: 'False', reason: 'DriverDown' });
    expect(ours?.lastTransitionTime).toBe(ours?.lastHeartbeatTime);
    expect(nodeView(world.body('nodes', nodeKey) ?? {}).conditions).toEqual({
      [type]: 'False DriverDown',
    });
  });

  it('keeps what another writer of the list says at the same time', () => {
    const world = withReady();
    const raced = before(1, (w) => {
      const body = { status: { conditions: [{ ...ready, status: 'False' }] } };
      w.store.patch('nodes', nodeKey, body, { subresource: 'status' });
    });
    expect(world.run(actionFor('SetCondition', world), raced)).toEqual(done);
    expect(stored(world)).toMatchObject([
      { ...ready, status: 'False' },
      { type, status: 'False' },
    ]);
  });

  it('writes nothing on another Node of the name', () => {
    const world = withReady();
    const set = actionFor('SetCondition', world);
    world.replace('nodes', nodeKey);
    expect(world.run(set)).toMatchObject({ kind: 'Failed', code: 'REPLACED' });
    expect(stored(world).some((one) => one.type === type)).toBe(false);
  });
});
