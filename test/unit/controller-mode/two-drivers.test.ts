import { describe, expect, it } from '@jest/globals';
import { driver, otherDriver, type Stage } from './views.ts';
import { World } from './world.ts';

const evict = 'Evict default/web-0';
const released = 'UpdateRecord Released';

/** web-0 on n1 has a volume of ours and one of another driver, whose hold is at `stage`. */
function withBoth(stage: Stage): World {
  const world = World.healthy();
  world.volume('web-0');
  world.attach('web-0', 'n1');
  world.volume('files', { driver: otherDriver });
  world.attach('files', 'n1', { driver: otherDriver });
  world.pod('web-0', 'n1', ['web-0', 'files']);
  world.stage('files', 'n1', stage);
  return world;
}

/** Our episode has got as far as `ours`, and both instances have announced themselves. */
function running(ours: Stage, theirs: Stage): World {
  const world = withBoth(theirs);
  world.lose('n1');
  world.record('n1', ['web-0'], { phase: ours === 'free' ? 'Intent' : 'Fenced' });
  const volumes = [{ handle: 'vol-web-0', pv: 'pv-web-0' }];
  world.mark('web-0', undefined, undefined, { volumes });
  world.mark('web-0', otherDriver, 'other-epoch');
  world.taint('n1');
  world.stage('web-0', 'n1', ours);
  return world.pass(1);
}

const takenAway: readonly Stage[] = ['begun', 'fencing', 'held'];
const leftAlone: readonly Stage[] = ['free', 'leaving'];

describe('a pod with volumes of two drivers', () => {
  it.each<[string, Stage, Partial<{ fenced: true }>]>([
    ['its instance has not begun', 'free', {}],
    ['its attacher has not confirmed', 'fencing', {}],
    ['its instance has not said that the driver has confirmed', 'held', {}],
    // The word is of a fence that somebody has taken away since.
    ['its hold does not stand any more', 'free', { fenced: true }],
  ])("is not evicted before the other's fence is confirmed: %s", (_why, theirs, word) => {
    const world = running('held', theirs);
    world.mark('web-0', otherDriver, 'other-epoch', word);
    expect(world.steps()).not.toContain(evict);
    world.stage('files', 'n1', 'held');
    world.mark('web-0', otherDriver, 'other-epoch', { fenced: true });
    expect(world.steps()).toContain(evict);
  });

  it.each(takenAway)('keeps our intent on a node that is back, with the other %s', (theirs) => {
    const world = running('free', theirs);
    world.back('n1');
    expect(world.steps()).not.toContain(released);
    expect(world.steps()).toContain('Hold va-web-0-n1');
  });

  it.each(leftAlone)(
    'gives our intent back on a node that is back, with the other %s',
    (theirs) => {
      const world = running('free', theirs);
      world.back('n1');
      expect(world.steps()).toEqual([released]);
    },
  );
});

describe('a volume that the other driver has lost, on a node that lives and has no record', () => {
  it.each<Stage>(['fencing', 'held'])('is followed by ours: it is %s', (theirs) => {
    const world = withBoth(theirs);
    const { name, uid } = world.findAttachment('files', 'n1');
    expect(world.verdict('n1').kind).toBe('Alive');
    expect(world.wanted('BeginEpisode')).toMatchObject([
      {
        node: 'n1',
        driver,
        phase: 'Intent',
        reason: `followed: driver ${otherDriver} has taken its volume away`,
        volumes: [{ handle: 'vol-web-0', pv: 'pv-web-0' }],
        adopts: { holds: [{ name, uid }], taint: '' },
      },
    ]);
  });

  it.each<Stage>(['free', 'leaving', 'begun'])('is not when it is only %s', (theirs) => {
    expect(withBoth(theirs).wanted('BeginEpisode')).toEqual([]);
  });

  it('is followed for pods that have a volume of ours, too, and not for its neighbours', () => {
    const world = withBoth('held');
    world.workload('db-0', 'n1');
    const [begin] = world.wanted('BeginEpisode');
    expect(begin?.volumes).toEqual([{ handle: 'vol-web-0', pv: 'pv-web-0' }]);
    world.pod('web-0', 'n1', ['files']);
    expect(world.wanted('BeginEpisode')).toEqual([]);
  });

  it('is not while a person has paused everything', () => {
    const world = withBoth('held');
    world.configMap({ paused: 'true' });
    expect(world.wanted('BeginEpisode')).toEqual([]);
  });

  /** What the other instance has begun ours cannot finish. */
  function withOursUnfenceable(): World {
    const world = withBoth('held');
    const { capabilities } = world.state;
    if (capabilities === undefined) throw new Error('the driver has not said what it can');
    world.state.capabilities = { ...capabilities, publishUnpublish: false };
    return world;
  }

  it('is not where nothing of our driver can be fenced', () => {
    expect(withOursUnfenceable().wanted('BeginEpisode')).toEqual([]);
  });

  it('does not join an episode of ours then, and is told why', () => {
    const world = withOursUnfenceable();
    world.workload('db-0', 'n1');
    world.record('n1', ['db-0'], { phase: 'Moved' });
    world.taint('n1');
    expect(world.wanted('MarkPod')).toEqual([]);
    expect(world.wanted('UpdateRecord')).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['unfenceable']);
  });
});
