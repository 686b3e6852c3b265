import { describe, expect, it } from '@jest/globals';
import { running } from './running.ts';
import { World } from './world.ts';

const evict = 'Evict default/web-0';

describe('a replacement that is put on the fenced node', () => {
  /** The first web-0 has left, and another one is bound to the node again. */
  function replaced(world: World, name = 'web-0'): void {
    world.remove(world.findPod(name));
    world.pod(name, 'n1', ['web-0']);
  }

  function join(world: World): void {
    const [mark] = world.wanted('MarkPod');
    if (mark === undefined) throw new Error('nobody joins');
    world.settle(mark);
    world.mark(mark.pod.name);
  }

  it('joins once, and then people are told', () => {
    const world = running('held', 'Fenced');
    replaced(world);
    join(world);
    expect(world.steps()).toEqual([evict]);
    replaced(world);
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['not-rescheduled']);
  });

  it('joins once more where our taint did not stand, and goes only when it does', () => {
    const world = running('held', 'Fenced');
    world.untaint('n1');
    replaced(world);
    join(world);
    expect(world.wanted('SetTaint')).toHaveLength(1);
    expect(world.wanted('Evict')).toEqual([]);
    world.taint('n1');
    expect(world.steps()).toEqual([evict]);
    replaced(world);
    join(world);
    expect(world.steps()).toEqual([evict]);
    replaced(world);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['not-rescheduled']);
  });

  it('joins once more when we see later that our taint did not stand then', () => {
    const world = running('held', 'Fenced');
    replaced(world);
    join(world);
    replaced(world);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['not-rescheduled']);
    world.untaint('n1');
    join(world);
    expect(world.steps()).not.toContain(evict);
    world.taint('n1');
    expect(world.steps()).toEqual([evict]);
  });

  it('joins once more where somebody writes over the mark that it had', () => {
    const world = running('held', 'Fenced');
    replaced(world);
    join(world);
    const { annotations } = world.findPod('web-0');
    const broken = Object.fromEntries(Object.keys(annotations).map((key) => [key, 'no mark']));
    world.changePod('web-0', { annotations: broken });
    join(world);
    expect(world.steps()).toEqual([evict]);
  });

  it('joins once more when the Node was made again', () => {
    const world = running('held', 'Fenced');
    replaced(world);
    join(world);
    const node = world.state.nodes.get('n1');
    if (node === undefined) throw new Error('there is no n1');
    world.remove(node);
    replaced(world);
    world.put({ ...node, uid: 'uid-of-another', taints: [] });
    join(world);
    world.taint('n1');
    expect(world.steps()).toEqual([evict]);
  });

  it('is known by its owner where names change, so that nobody turns in a circle', () => {
    const owner = { kind: 'ReplicaSet', name: 'web', uid: 'uid-of-rs' };
    const world = running('held', 'Fenced');
    world.remove(world.findPod('web-0'));
    world.pod('web-a', 'n1', ['web-0'], { owner });
    join(world);
    world.remove(world.findPod('web-a'));
    world.pod('web-b', 'n1', ['web-0'], { owner });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-b')).toEqual(['not-rescheduled']);
  });

  it('joins for each that there was before the fence', () => {
    const owner = { kind: 'ReplicaSet', name: 'web', uid: 'uid-of-rs' };
    const world = running('free');
    world.remove(world.findPod('web-0'));
    for (const name of ['web-a', 'web-b']) world.pod(name, 'n1', ['web-0'], { owner });
    join(world);
    join(world);
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    world.stage('web-0', 'n1', 'held');
    for (const name of ['web-a', 'web-b']) world.remove(world.findPod(name));
    for (const name of ['web-c', 'web-d', 'web-e']) world.pod(name, 'n1', ['web-0'], { owner });
    join(world);
    join(world);
    expect(world.wanted('MarkPod')).toEqual([]);
  });

  it('opens an episode again that has moved everything', () => {
    const world = running('held', 'Moved');
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    world.pod('web-0', 'n1', ['web-0']);
    expect(world.steps()).toEqual(['UpdateRecord Fenced']);
  });
});
