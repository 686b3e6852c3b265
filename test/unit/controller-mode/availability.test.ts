import { describe, expect, it } from '@jest/globals';
import { pausedAnnotation, unavailableTaint } from '../../../src/shared/names.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import { driver } from './views.ts';
import { StorageWorld } from './storage-world.ts';
import { World } from './world.ts';

const set = 'SetTaint unavailable.csi-failover.io';
const clear = 'ClearTaint unavailable.csi-failover.io';
const key = unavailableTaint(driver);

/** The drivers on these nodes have not answered for a minute. */
function down(nodes: readonly string[], policy: Partial<Policy> = {}): World {
  const world = World.healthy(5, policy);
  for (const node of nodes) world.beat(node, { driver: 'silent' });
  return world.pass(60_000);
}

describe('a node whose driver does not answer', () => {
  it('takes no new pods until the driver answers, and loses none', () => {
    const world = down(['n1']);
    world.workload('web-0', 'n1');
    expect(world.steps()).toEqual([set]);
    expect(world.notices('NodeDriverDown')).toMatchObject([{ about: { name: 'n1' } }]);
    world.taint('n1', key);
    expect(world.steps()).toEqual([]);
    world.beat('n1', { driver: 'ok' });
    expect(world.steps()).toEqual([clear]);
    world.untaint('n1', key);
    expect(world.steps()).toEqual([]);
  });

  it('keeps the taint while it is silent itself, or its driver bad for less than a minute', () => {
    const world = down(['n1']);
    world.taint('n1', key);
    world.silent('n1').pass(6_000);
    expect(world.steps()).toEqual([]);
    world.back('n1');
    world.beat('n1', { driver: 'ok' });
    world.beat('n1', { driver: 'refused' });
    expect(world.steps()).toEqual([]);
  });

  it('is tainted only within the storm bound', () => {
    expect(down(['n1', 'n2']).steps()).toEqual([set, set]);
    expect(down(['n1', 'n2', 'n3']).steps()).toEqual([]);
    expect(down(['n1', 'n2'], { maxLostNodes: { count: 1 } }).steps()).toEqual([]);
  });

  it('is left alone while a person says so', () => {
    const world = down(['n1']);
    world.configMap({ paused: 'true' });
    expect(world.steps()).toEqual([]);
    world.configMap({});
    world.changeNode('n1', { annotations: { [pausedAnnotation]: 'true' } });
    expect(world.steps()).toEqual([]);
    expect(down(['n1'], { dryRun: true }).steps()).toEqual([]);
  });
});

describe('a node that has lost its way to the storage', () => {
  function lost(nodes: readonly string[] = ['n1']): StorageWorld {
    const world = StorageWorld.stored('none');
    for (const node of nodes) {
      world.workload(`web-${node}`, node, { selected: false });
      world.sick(node, [`web-${node}`, 'a', 'b']);
    }
    return world.pass(30_000);
  }

  it('takes no new pods until somebody has seen that its volumes are well', () => {
    const world = lost();
    expect(world.steps()).toEqual([set]);
    world.taint('n1', key);
    world.well('n1');
    world.pass(9_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([clear]);
  });

  it('keeps the taint for a while when its volumes are moved away and nothing is left to see', () => {
    const world = lost();
    world.taint('n1', key);
    world.remove(world.findAttachment('web-n1', 'n1'));
    world.well('n1', 0);
    world.pass(299_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([clear]);
  });

  it('does not keep it for ever where our view has a gap every few minutes', () => {
    const world = lost();
    world.taint('n1', key);
    world.remove(world.findAttachment('web-n1', 'n1'));
    world.well('n1', 0);
    world.pass(200_000).see({ kind: 'Suspended', gapMs: 5_000 });
    world.pass(95_000).see({ kind: 'Suspended', gapMs: 5_000 });
    world.pass(9_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([clear]);
  });

  it('is not tainted for one volume of many, nor before it has lasted', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1', { selected: false });
    world.sick('n1', ['web-0', 'a', 'b']);
    expect(world.pass(29_999).steps()).toEqual([]);
    world.sick('n1', ['web-0']);
    expect(world.pass(30_000).steps()).toEqual([]);
  });

  it('counts with those whose driver is silent for the storm bound', () => {
    const world = lost();
    for (const node of ['n2', 'n3']) world.beat(node, { driver: 'silent' });
    world.pass(60_000);
    expect(world.verdict('n1').kind).toBe('StorageLost');
    expect(world.steps()).toEqual([]);
  });
});
