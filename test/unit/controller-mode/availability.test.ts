import { describe, expect, it } from '@jest/globals';
import { pausedAnnotation, unavailableTaint } from '../../../src/shared/names.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import { driver } from './views.ts';
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
