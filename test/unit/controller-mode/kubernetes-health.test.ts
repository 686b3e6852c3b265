import { describe, expect, it } from '@jest/globals';
import { storageWord } from '../../../src/controller-mode/storage-view.ts';
import { StorageWorld } from './storage-world.ts';
import { driver } from './views.ts';

/** The health fields of Kubernetes 1.37: pod.status, pvc.status and csinode.status. */

const abnormal = 'VolumeConditionAbnormal';
const normal = 'VolumeConditionNormal';

function used(health: 'list' | 'get' | 'none' = 'get'): StorageWorld {
  const world = StorageWorld.stored(health);
  world.workload('web-0', 'n1');
  world.pass(1_000);
  return world;
}

function told(world: StorageWorld, reason: string): string[] {
  return world.notices(reason).map(({ about }) => `${about.kind} ${about.name}`);
}

function storage(world: StorageWorld): string {
  return storageWord(world.state, 'vol-web-0', world.now);
}

describe('what the kubelet says in the status of a pod', () => {
  it('moves nothing by itself, however long it says so', () => {
    const world = used('none');
    world.kubeletSays('web-0', 'Inaccessible');
    world.pass(600_000);
    expect(world.steps()).toEqual([]);
    expect(world.verdict('n1').kind).toBe('Alive');
  });

  it('is told on the pod once it lasts, with node, cause and scope', () => {
    const world = used();
    world.kubeletSays('web-0', 'Inaccessible');
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 30_000);
    world.pass(29_999);
    expect(told(world, abnormal)).toEqual([]);
    world.pass(1);
    expect(told(world, abnormal)).toEqual(['Pod web-0']);
    const [notice] = world.notices(abnormal);
    for (const part of ['vol-web-0', 'pv-web-0', 'kubelet of node n1', '30 s', 'Scope unknown']) {
      expect(notice?.note).toContain(part);
    }
    world.pass(60_000);
    expect(world.notices(abnormal).map(({ key }) => key)).toEqual([notice?.key]);
  });

  it('is told at once if it is no matter of access', () => {
    const world = used();
    world.kubeletSays('web-0', 'Degraded');
    expect(told(world, abnormal)).toEqual(['Pod web-0']);
    expect(world.rule('n1', 'web-0').scope).toBe('volume');
  });

  it('is over when the field says so, and the end of a blip is not told', () => {
    const world = used();
    world.kubeletSays('web-0', 'Inaccessible');
    world.pass(29_000);
    world.kubeletSays('web-0', undefined);
    expect([...told(world, abnormal), ...told(world, normal)]).toEqual([]);
    world.kubeletSays('web-0', 'Inaccessible');
    world.pass(30_000);
    world.kubeletSays('web-0', undefined);
    expect(told(world, abnormal)).toEqual([]);
    expect(told(world, normal)).toEqual(['Pod web-0']);
    world.pass(600_000);
    expect(told(world, normal)).toEqual([]);
  });

  it('is not told beside what the agent of the node says of the same volume', () => {
    const world = used();
    world.kubeletSays('web-0', 'Inaccessible');
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.notices(abnormal).map(({ key }) => key.includes('kubelet'))).toEqual([false]);
  });

  it('counts as the trouble of another node with the same volume, where it is attached', () => {
    const world = used('get');
    world.pod('reader', 'n2', ['web-0'], { selected: false });
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    world.says('web-0', 'Healthy');
    world.kubeletSays('web-0', 'Inaccessible');
    expect(world.rule('n1', 'web-0').scope).toBe('volume-on-node');
    world.remove(world.findPod('web-0'));
    world.pod('web-0', 'n1', ['web-0']);
    const reader = world.findPod('reader');
    const adverse = { status: 'Inaccessible', reason: 'NoPath', message: '' } as const;
    const [volume] = reader.volumes;
    if (volume?.kind === 'claim') world.changePod('reader', { volumes: [{ ...volume, adverse }] });
    expect(world.rule('n1', 'web-0').scope).toBe('volume-on-node');
    world.attach('web-0', 'n2');
    expect(world.rule('n1', 'web-0').scope).toBe('backend');
  });

  it('is forgotten with the pod', () => {
    const world = used();
    world.kubeletSays('web-0', 'Inaccessible');
    expect(world.state.kubeletWords.size).toBe(1);
    world.remove(world.findPod('web-0'));
    expect(world.state.kubeletWords.size).toBe(0);
  });
});

describe('what stands in the status of a claim', () => {
  it('is the word of the storage if it is bad, and is told on the claim', () => {
    const world = used();
    world.says('web-0', 'Healthy');
    world.pass(1_000);
    world.claimSays('web-0', 'Inaccessible');
    expect(storage(world)).toBe('bad');
    expect(told(world, abnormal)).toEqual(['PersistentVolumeClaim web-0']);
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.rule('n1', 'web-0')).toMatchObject({ scope: 'volume', moves: 'never' });
  });

  it('counts until the driver is asked the next time: that word is younger', () => {
    const world = used();
    world.claimSays('web-0', 'Inaccessible');
    world.pass(1_000);
    world.says('web-0', 'Healthy');
    expect(storage(world)).toBe('good');
    expect(told(world, normal)).toEqual(['PersistentVolumeClaim web-0']);
    world.claimSays('web-0', 'Inaccessible');
    expect(storage(world)).toBe('good');
    world.pass(1_000);
    world.claimSays('web-0', 'DataLoss');
    expect(storage(world)).toBe('bad');
  });

  it('never vouches for a volume', () => {
    const world = used();
    world.claimSays('web-0', 'Inaccessible');
    world.pass(1_000);
    world.claimSays('web-0', 'Healthy');
    expect(storage(world)).toBe('unknown');
    world.claimSays('web-0', 'Degraded');
    expect(storage(world)).toBe('unknown');
    world.sick('n1', ['web-0']);
    world.pass(40_000);
    expect(world.steps()).toEqual(['ConfirmHealth vol-web-0']);
  });

  it('takes nothing back that the driver itself said', () => {
    const world = used();
    world.says('web-0', 'Inaccessible');
    world.pass(1_000);
    world.claimSays('web-0', 'Healthy');
    expect(storage(world)).toBe('bad');
  });

  it('holds back where the driver tells nothing, and does not stand in for it', () => {
    const world = used('none');
    world.claimSays('web-0', 'Inaccessible');
    expect(storage(world)).toBe('bad');
    world.claimSays('web-0', 'Healthy');
    expect(storage(world)).toBe('not-offered');
    expect(told(world, normal)).toEqual(['PersistentVolumeClaim web-0']);
  });

  it('is silent again when the field goes', () => {
    const world = used('none');
    world.claimSays('web-0', 'Inaccessible');
    world.claimSays('web-0', undefined);
    expect(storage(world)).toBe('not-offered');
    expect([...told(world, abnormal), ...told(world, normal)]).toEqual([]);
  });

  it('is no outage of the management, though all claims that have a word have a bad one', () => {
    const world = used('list');
    for (const name of ['a', 'b', 'c']) world.volume(name);
    for (const name of ['web-0', 'a', 'b', 'c']) world.claimSays(name, 'Inaccessible');
    expect(told(world, 'MostVolumesAbnormal')).toEqual([]);
  });

  it('counts for the volume to which the claim is bound, in whatever order they are seen', () => {
    const world = used('none');
    const { pv } = { pv: world.state.pvs.get('pv-web-0') };
    if (pv === undefined) throw new Error('no PV');
    world.remove(pv);
    world.claimSays('web-0', 'Inaccessible');
    expect(storage(world)).toBe('not-offered');
    world.put({ ...pv, claimUid: 'of another claim' });
    expect(storage(world)).toBe('not-offered');
    world.put(pv);
    expect(storage(world)).toBe('bad');
    world.remove(pv);
    const { volumes, claimWords } = world.state.storage;
    expect([volumes.size, claimWords.size, world.state.conditions.size]).toEqual([0, 0, 0]);
  });
});

describe('what the kubelet says in the status of the CSINode', () => {
  it('makes trouble that the agent reports one of the whole way to the storage', () => {
    const world = used('none');
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.rule('n1', 'web-0').scope).toBe('volume-on-node');
    const csinode = world.state.csinodes.get('n1');
    if (csinode === undefined) throw new Error('no CSINode');
    world.put({ ...csinode, unreachable: ['another.example.com'] });
    expect(world.rule('n1', 'web-0').scope).toBe('volume-on-node');
    world.put({ ...csinode, unreachable: [driver] });
    expect(world.rule('n1', 'web-0').scope).toBe('node-storage');
  });

  it('moves nothing by itself', () => {
    const world = used('none');
    const csinode = world.state.csinodes.get('n1');
    if (csinode === undefined) throw new Error('no CSINode');
    world.put({ ...csinode, unreachable: [driver] });
    world.pass(600_000);
    expect(world.steps()).toEqual([]);
  });
});
