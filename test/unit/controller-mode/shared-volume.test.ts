import { describe, expect, it } from '@jest/globals';
import { policyAnnotation } from '../../../src/shared/names.ts';
import type { Change } from './views.ts';
import type { PodView } from '../../../src/shared/model.ts';
import { begun, worldOf } from './guard-table.ts';
import { World } from './world.ts';

const daemonSet = { kind: 'DaemonSet', name: 'agent', uid: 'uid-of-agent' };

/** A second PV of the same volume, for a claim of another namespace. */
function alias(world: World): void {
  world.put({
    ...world.volume('alias', { handle: 'vol-web-0', claimNamespace: 'other' }),
    claimUid: 'uid-of-the-other-claim',
  });
  const claim = world.state.claims.get('default/alias');
  if (claim === undefined) throw new Error('no claim');
  world.remove(claim);
  world.put({ ...claim, namespace: 'other', uid: 'uid-of-the-other-claim' });
}

describe('the guard shared-volume', () => {
  it.each<[string, Change<PodView>]>([
    ['that nobody labelled', { selected: false }],
    ['that is to be retained', { annotations: { [policyAnnotation]: 'retain' } }],
    ['of a DaemonSet', { owner: daemonSet }],
    ['that is static', { mirror: true }],
    ['that is pending', { selected: false, phase: 'Pending' }],
    ['that is being deleted', { selected: false, deleting: true }],
  ])('holds when the volume is used on the node by a pod %s', (_, change) => {
    const world = worldOf({ after: (w) => w.pod('other', 'n1', ['web-0'], change) });
    expect(begun(world)).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['shared-volume']);
    world.remove(world.findPod('other'));
    expect(begun(world)).toEqual(['n1']);
  });

  it.each<[string, string, Change<PodView>]>([
    ['has finished', 'n1', { selected: false, phase: 'Succeeded' }],
    ['has failed', 'n1', { selected: false, phase: 'Failed' }],
    ['is on another node', 'n2', { selected: false }],
    ['comes along', 'n1', {}],
  ])('does not hold when the other user %s', (_, node, change) => {
    const world = worldOf({ after: (w) => w.pod('other', node, ['web-0'], change) });
    expect(begun(world)).toEqual(['n1']);
    expect(world.words('FailoverHeld', 'web-0')).toEqual([]);
  });

  it('holds when the same volume is used through another claim of another namespace', () => {
    const world = worldOf({ after: alias });
    expect(begun(world)).toEqual(['n1']);
    world.pod('other', 'n1', ['alias'], { namespace: 'other', selected: false });
    expect(begun(world)).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['shared-volume']);
  });

  it('holds over any chain of volumes, and only that chain', () => {
    const world = worldOf({
      after: (w) => {
        for (const name of ['b', 'c', 'free']) w.workload(name, 'n1');
        w.pod('a-b', 'n1', ['web-0', 'b']);
        w.pod('b-c', 'n1', ['b', 'c']);
        w.pod('outsider', 'n1', ['c'], { selected: false });
      },
    });
    const held = ['web-0', 'b', 'c', 'a-b', 'b-c'];
    for (const pod of held) expect(world.words('FailoverHeld', pod)).toEqual(['shared-volume']);
    expect(world.words('FailoverHeld', 'free')).toEqual([]);
    expect(world.wanted('BeginEpisode').map(({ volumes }) => volumes)).toEqual([
      [{ handle: 'vol-free', pv: 'pv-free' }],
    ]);
  });

  it('holds a running episode when another user turns up before the fence', () => {
    const world = worldOf({});
    world.record('n1', ['web-0']);
    world.mark('web-0');
    world.taint('n1');
    expect(world.wanted('Hold')).toHaveLength(1);
    world.pod('outsider', 'n1', ['web-0'], { selected: false });
    expect(world.wanted('Hold')).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['shared-volume']);
  });

  it('holds what the same volume of another name is used for, too, in a running episode', () => {
    const world = worldOf({ after: alias });
    world.record('n1', ['web-0']);
    world.mark('web-0');
    world.taint('n1');
    expect(world.wanted('Hold')).toHaveLength(1);
    world.pod('other', 'n1', ['alias'], { namespace: 'other', selected: false });
    expect(world.wanted('Hold')).toEqual([]);
  });

  it('finds the user of a volume whose PV object is not there any more', () => {
    const world = worldOf({});
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    world.mark('web-0');
    world.taint('n1');
    world.stage('web-0', 'n1', 'held');
    const pv = world.state.pvs.get('pv-web-0');
    if (pv !== undefined) world.remove(pv);
    expect(world.wanted('DropHold')).toEqual([]);
    world.remove(world.findPod('web-0'));
    expect(world.pass(2_000).wanted('DropHold')).toHaveLength(1);
  });
});
