import { describe, expect, it } from '@jest/globals';
import { intentAnnotation } from '../../../src/shared/names.ts';
import { driver, otherDriver, type Stage } from './views.ts';
import { World } from './world.ts';

const unmark = 'UnmarkPod default/web-0';
const mark = 'MarkPod default/web-0';

/** web-0 was marked for epoch 7; since then somebody took its label off, and the record away. */
function orphaned(stage: Stage): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.taint('n1');
  world.mark('web-0');
  world.stage('web-0', 'n1', stage);
  world.changePod('web-0', { selected: false });
  return world.pass(1);
}

/** The episode has been begun again, by what is left of it. */
function adopted(world: World): World {
  world.record('n1', ['web-0'], { phase: 'Fenced', reason: 'adopted', epoch: '9' });
  return world;
}

describe('a pod that lost a volume under an episode whose record is gone', () => {
  it.each<Stage>(['begun', 'fencing', 'held'])('keeps its intent: the hold is %s', (stage) => {
    expect(orphaned(stage).steps()).not.toContain(unmark);
  });

  it.each<Stage>(['free', 'leaving'])('loses it where nothing is held: it is %s', (stage) => {
    expect(orphaned(stage).steps()).toContain(unmark);
  });

  it.each<Stage>(['fencing', 'held'])('joins the next episode: the hold is %s', (stage) => {
    const world = adopted(orphaned(stage));
    expect(world.steps()).toContain(mark);
    expect(world.wanted('MarkPod')).toMatchObject([{ intent: { epoch: '9', node: 'n1' } }]);
    world.mark('web-0', driver, '9');
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual(['Evict default/web-0']);
  });

  it('joins beside another of its owner', () => {
    const world = orphaned('held');
    const owner = { kind: 'ReplicaSet', name: 'web', uid: 'uid-of-rs' };
    world.changePod('web-0', { owner });
    world.pod('web-1', 'n1', ['web-0'], { owner });
    world.mark('web-1');
    adopted(world);
    const [first] = world.wanted('MarkPod');
    if (first === undefined) throw new Error('nobody joins');
    world.settle(first);
    world.mark(first.pod.name, driver, '9');
    expect(world.wanted('MarkPod')).toHaveLength(1);
  });

  it('is left alone without an intent, or with one that was copied from another pod', () => {
    const world = adopted(orphaned('held'));
    const { annotations } = world.findPod('web-0');
    world.changePod('web-0', { annotations: {} });
    expect(world.steps()).not.toContain(mark);
    world.changePod('web-0', { uid: 'uid-of-another', annotations });
    expect(world.steps()).not.toContain(mark);
    expect(world.steps()).toContain(unmark);
  });

  it('is left alone while a person has paused everything', () => {
    const world = adopted(orphaned('held'));
    world.configMap({ paused: 'true' });
    expect(world.steps()).not.toContain(mark);
  });

  it('does not keep a record that is closed', () => {
    const world = orphaned('held');
    world.record('n1', ['web-0'], { phase: 'Released' });
    world.untaint('n1');
    expect(world.steps()).toEqual(['RemoveRecord n1']);
  });

  it('is followed by ours where the other driver has taken its volume', () => {
    const world = World.healthy();
    world.volume('web-0');
    world.attach('web-0', 'n1');
    world.volume('files', { driver: otherDriver });
    world.attach('files', 'n1', { driver: otherDriver });
    world.pod('web-0', 'n1', ['web-0', 'files'], { selected: false });
    world.stage('files', 'n1', 'held');
    expect(world.wanted('BeginEpisode')).toEqual([]);
    world.mark('web-0');
    expect(world.wanted('BeginEpisode')).toMatchObject([
      { phase: 'Intent', pods: [world.findPod('web-0').uid] },
    ]);
    expect(world.findPod('web-0').annotations).toHaveProperty([intentAnnotation(driver)]);
    expect(world.steps()).not.toContain(unmark);
  });
});
