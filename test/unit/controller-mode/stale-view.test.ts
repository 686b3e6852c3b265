import { describe, expect, it } from '@jest/globals';
import { sourceNames } from '../../../src/controller-mode/facts.ts';
import { outOfServiceTaint } from '../../../src/shared/names.ts';
import { begun, worldOf } from './guard-table.ts';
import { World } from './world.ts';

/** Node n1 is Lost, and nothing but our own view stands in the way of an episode. */
function lost(): World {
  return worldOf({});
}

function expectStale(world: World): void {
  const { actions } = world.decide();
  expect(actions).toEqual([]);
  expect(world.words('FailoverHeld', 'web-0')).toEqual(['own-view-stale']);
}

function renewed(world: World, renewal: string): void {
  world.see({ kind: 'Leadership', leading: true, renewal });
}

describe('a standby', () => {
  it('decides nothing, and all at once when it leads', () => {
    const world = lost();
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    expect(world.decide()).toEqual({ actions: [], notices: [], wakeAt: undefined });
    world.see({ kind: 'Leadership', leading: true, renewal: '' });
    expect(begun(world)).toEqual(['n1']);
  });
});

describe('our own view', () => {
  it.each(sourceNames)('is stale until %s has been listed once', (source) => {
    const world = lost();
    world.state.sources[source].synced = false;
    expectStale(world);
    world.state.sources[source].synced = true;
    expect(begun(world)).toEqual(['n1']);
  });

  it.each(sourceNames)('is stale while the watch of %s is lost', (source) => {
    const world = lost();
    world.see({ kind: 'WatchLost', source, reason: 'reset' });
    expectStale(world);
    world.see({ kind: 'WatchAlive', source });
    expectStale(world);
    world.see({ kind: 'WatchResumed', source });
    world.pass(20_000);
    expect(begun(world)).toEqual(['n1']);
  });

  it.each(sourceNames)('is stale when the watch of %s shows no life', (source) => {
    const world = lost();
    const boundMs = source === 'kubeletLeases' ? 20_000 : 120_000;
    world.state.sources[source].aliveAt = world.now - boundMs;
    expect(begun(world)).toEqual(['n1']);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 1);
    world.state.sources[source].aliveAt -= 1;
    expectStale(world);
  });

  it('counts no bookmark of another watch for life', () => {
    const world = lost();
    world.state.sources.pods.aliveAt = world.now - 120_001;
    for (const source of sourceNames) {
      if (source !== 'pods') world.see({ kind: 'WatchAlive', source });
    }
    expectStale(world);
    world.see({ kind: 'WatchAlive', source: 'pods' });
    expect(begun(world)).toEqual(['n1']);
  });

  it('waits longer for kubelets that renew seldom, and not for ever', () => {
    const world = lost();
    for (const { view } of world.state.kubeletLeases.values()) {
      world.put({ ...view, durationMs: 120_000 }, 'kubeletLeases');
    }
    world.pass(60_000);
    world.state.sources.kubeletLeases.aliveAt = world.now - 60_000;
    expect(begun(world)).toEqual(['n1']);
    world.state.sources.kubeletLeases.aliveAt = world.now - 60_001;
    expectStale(world);
  });

  it('is stale when a renewal of ours does not come back within two heartbeats', () => {
    const world = lost();
    world.leader({ resourceVersion: '900000' });
    world.see({ kind: 'Leadership', leading: true, renewal: '900001' });
    world.pass(4_000);
    expect(begun(world)).toEqual(['n1']);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 1);
    world.pass(1);
    expectStale(world);
    world.see({ kind: 'Leadership', leading: true, renewal: '900002' });
    expectStale(world);
    world.leader({ resourceVersion: '900001' });
    expect(begun(world)).toEqual(['n1']);
  });

  it('is believed when the renewal came back before we heard of it', () => {
    const world = lost();
    world.leader({ resourceVersion: '900001' });
    world.see({ kind: 'Leadership', leading: true, renewal: '900001' });
    world.pass(5_000);
    expect(begun(world)).toEqual(['n1']);
  });

  it('needs no renewal where there is no election', () => {
    const world = worldOf({ policy: { leaderElection: false } });
    world.see({ kind: 'Leadership', leading: true, renewal: '900001' });
    world.pass(5_000);
    expect(begun(world)).toEqual(['n1']);
  });

  it('ends with the process when the API went back behind a renewal of ours', () => {
    const world = lost();
    renewed(world, '900001');
    expect(() => renewed(world, '800000')).toThrow('went back in time');
  });

  it('ends with the process when a new leader renews behind what its watch has shown', () => {
    const world = lost();
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    world.leader({ resourceVersion: '900001' });
    renewed(world, '800000');
    expect(() => renewed(world, '800005')).toThrow('went back in time');
  });

  it('is not of the future because answers come later than the watch', () => {
    const world = lost();
    for (const version of [900_000, 900_010, 900_020]) {
      // Somebody else wrote to our Lease right after us.
      world.leader({ resourceVersion: String(version + 1) });
      renewed(world, String(version));
    }
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    renewed(world, '900021');
    expect(begun(world)).toEqual(['n1']);
  });

  it('asks for no moment while only a fact can mend it', () => {
    const world = lost();
    world.see({ kind: 'WatchLost', source: 'pods', reason: 'reset' });
    world.pass(300_000);
    expect(world.decide().wakeAt ?? Number.POSITIVE_INFINITY).toBeGreaterThan(world.now);
  });

  it('wakes up to tell of a node that is Lost only later', () => {
    const world = World.healthy(5);
    world.workload('web-0', 'n1');
    world.silent('n1').pass(5_000);
    world.see({ kind: 'WatchLost', source: 'pods', reason: 'reset' });
    const { changesAt } = world.verdict('n1');
    expect(world.decide().wakeAt).toBeLessThanOrEqual(changesAt ?? 0);
  });

  it('that has no record is not needed to take our own out-of-service taint away', () => {
    const world = World.healthy();
    world.outOfService('n1');
    expect(world.steps()).toEqual(['ClearTaint node.kubernetes.io']);
  });

  it('does not keep us from taking our own out-of-service taint away', () => {
    const world = lost();
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    world.taint('n1');
    world.outOfService('n1');
    world.see({ kind: 'WatchLost', source: 'pods', reason: 'reset' });
    expect(world.wanted('ClearTaint').map(({ taint }) => taint.key)).toEqual([outOfServiceTaint]);
    expect(world.decide().actions).toHaveLength(1);
  });
});
