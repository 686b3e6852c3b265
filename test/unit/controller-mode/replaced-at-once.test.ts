import { describe, expect, it } from '@jest/globals';
import type { Owner } from '../../../src/shared/model.ts';
import { StorageWorld } from './storage-world.ts';

const end = 'EndPod default/web-0';
const hold = 'Hold va-web-0-n1';
const evict = 'Evict default/web-0';

const replicaSet: Owner = { kind: 'ReplicaSet', name: 'web-5d4f', uid: 'uid-of-web-5d4f' };
const statefulSet: Owner = { kind: 'StatefulSet', name: 'web', uid: 'uid-of-web' };

/** n1 lives and has lost the volume of web-0; all is ready for its end. */
function begun(owner: Owner | undefined, shared: boolean): StorageWorld {
  const world = StorageWorld.stored('none');
  world.workload('web-0', 'n1', { owner });
  world.volume('web-0', { shared });
  world.pod('web-0', 'n1', ['web-0'], { owner });
  world.sick('n1', ['web-0']);
  world.pass(30_000);
  world.record('n1', ['web-0'], { reason: 'StorageLost: volume-inaccessible' });
  world.mark('web-0');
  world.taint('n1');
  return world;
}

describe('on a node whose kubelet works a pod that is replaced as soon as it is being deleted', () => {
  it('loses the volume that several nodes may have first, and is then evicted', () => {
    const world = begun(replicaSet, true);
    expect(world.steps()).toEqual([hold]);
    world.stage('web-0', 'n1', 'fencing');
    expect(world.steps()).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual([evict, 'UpdateRecord Fenced']);
  });

  it('is ended in order if one node at a time may have the volume, for which the next waits', () => {
    expect(begun(replicaSet, false).steps()).toEqual([end]);
  });

  it('is ended in order if it has one of each kind', () => {
    const world = begun(replicaSet, true);
    world.volume('logs');
    world.attach('logs', 'n1');
    world.pod('web-0', 'n1', ['web-0', 'logs'], { owner: replicaSet });
    world.record('n1', ['web-0', 'logs'], { reason: 'StorageLost: volume-inaccessible' });
    world.mark('web-0');
    expect(world.steps()).toEqual([end]);
  });
});

it.each([
  ['a StatefulSet, which waits for its end', statefulSet],
  ['nobody', undefined],
])('a pod that shares its volume is ended in order if it belongs to %s', (_, owner) => {
  expect(begun(owner, true).steps()).not.toContain(hold);
});
