/** Which pods a fence record names: what is mounted for them the agent may unmount. */
import { describe, expect, it } from '@jest/globals';
import { World } from './world.ts';

function lost(): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.workload('db-0', 'n1');
  world.lose('n1');
  return world;
}

/** Both were evicted, and nothing is attached any more. */
function moved(gone: readonly string[]): World {
  const world = lost();
  const pods = ['web-0', 'db-0'].map((name) => world.findPod(name).uid);
  world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced', pods });
  for (const name of ['web-0', 'db-0']) {
    world.mark(name);
    world.stage(name, 'n1', 'held');
    world.remove(world.findAttachment(name, 'n1'));
  }
  world.taint('n1');
  for (const name of gone) world.remove(world.findPod(name));
  return world;
}

describe('a fence record', () => {
  it('names the pods that it is written for', () => {
    const world = lost();
    const [begin] = world.wanted('BeginEpisode');
    expect(begin?.pods).toEqual([world.findPod('web-0').uid, world.findPod('db-0').uid]);
  });

  it('does not name a pod that stays', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.workload('kept', 'n1', { annotations: { 'csi-failover.io/policy': 'retain' } });
    world.lose('n1');
    const [begin] = world.wanted('BeginEpisode');
    expect(begin?.pods).toEqual([world.findPod('web-0').uid]);
  });

  it('names those that join, beside those that it has', () => {
    const world = lost();
    world.record('n1', ['web-0'], { phase: 'Fenced', pods: ['uid-of-web'] });
    world.mark('web-0');
    world.taint('n1');
    world.stage('web-0', 'n1', 'held');
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.pods).toEqual(['uid-of-web', world.findPod('db-0').uid]);
  });

  it('names, once all has moved, the pods that are gone', () => {
    const world = moved(['web-0', 'db-0']);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record).toMatchObject({ phase: 'Moved', pods: update?.from.pods });
    expect(update?.record.pods).toHaveLength(2);
  });

  it('names no pod any more that is still there, though it has nothing left to do', () => {
    const world = moved(['web-0']);
    const { uid } = world.findPod('db-0');
    world.changePod('db-0', { phase: 'Succeeded' });
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.phase).toBe('Moved');
    expect(update?.from.pods).toContain(uid);
    expect(update?.record.pods).not.toContain(uid);
  });
});
