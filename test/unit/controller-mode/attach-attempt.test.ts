/** When a hold goes that attach/detach may be about to attach over. */
import { describe, expect, it } from '@jest/globals';
import { World } from './world.ts';

const set = 'SetTaint node.kubernetes.io';
const dropHold = 'DropHold va-web-0-n1';

/** web-0 is fenced, and not evicted yet; `attached` is what node status lists. */
function fenced(...attached: readonly string[]): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.attachedOn('n1', ...attached);
  world.lose('n1');
  world.record('n1', ['web-0'], { phase: 'Fenced' });
  world.mark('web-0');
  world.taint('n1');
  world.stage('web-0', 'n1', 'held');
  world.pass(5_000);
  return world;
}

describe('a hold on a volume that attach/detach has forgotten while a pod wanted it', () => {
  it('goes 2 s after the pod: an attempt to attach again may have been under way', () => {
    const world = fenced('web-0');
    world.attachedOn('n1');
    world.pass(5_000).remove(world.findPod('web-0'));
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 2_000);
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });

  it('goes 2 s after the pod has failed, if its object stays longer', () => {
    const world = fenced();
    world.changePod('web-0', { phase: 'Failed' });
    expect(world.pass(1_999).wanted('DropHold')).toEqual([]);
    expect(world.pass(1).wanted('DropHold')).toHaveLength(1);
    world.remove(world.findPod('web-0'));
    expect(world.wanted('DropHold')).toHaveLength(1);
  });

  it('goes 2 s after the last of its pods', () => {
    const world = fenced();
    world.pod('web-1', 'n1', ['web-0']);
    world.mark('web-1');
    world.remove(world.findPod('web-0'));
    world.pass(5_000).remove(world.findPod('web-1'));
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });

  it('goes 2 s after a pod whose claim has gone from our view before it', () => {
    const world = fenced();
    const claim = world.state.claims.get('default/web-0');
    if (claim !== undefined) world.remove(claim);
    world.remove(world.findPod('web-0'));
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });

  it('goes 2 s after a new leader saw for the first time that no pod is left', () => {
    const world = World.healthy();
    world.volume('web-0');
    world.attach('web-0', 'n1');
    world.stage('web-0', 'n1', 'held');
    world.taint('n1');
    world.lose('n1');
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });

  it('goes 2 s after the pod where the Node is gone, which tells nothing any more', () => {
    const world = fenced('web-0');
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    world.remove(world.findPod('web-0'));
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });
});

describe('a hold on a volume that attach/detach knew as attached when the pod had gone', () => {
  it('goes as soon as attach/detach has let go', () => {
    const world = fenced('web-0');
    world.remove(world.findPod('web-0'));
    expect(world.steps()).toEqual([set]);
    world.attachedOn('n1');
    expect(world.steps()).toEqual([dropHold]);
  });

  it('has its rest again if another pod came and left after that', () => {
    const world = fenced('web-0');
    world.remove(world.findPod('web-0'));
    world.attachedOn('n1');
    world.pod('web-1', 'n1', ['web-0']);
    world.pass(5_000).remove(world.findPod('web-1'));
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });

  it('has its rest in an episode that did not see it let go', () => {
    const world = fenced('web-0');
    world.remove(world.findPod('web-0'));
    world.attachedOn('n1');
    world.record('n1', ['web-0'], { phase: 'Fenced', epoch: '8' });
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([dropHold]);
  });
});
