import { describe, expect, it } from '@jest/globals';
import { pausedAnnotation } from '../../../src/shared/names.ts';
import { failed } from '../../../src/shared/outcome.ts';
import { driver, type Stage } from './views.ts';
import { StorageWorld } from './storage-world.ts';

const end = 'EndPod default/web-0';
const hold = 'Hold va-web-0-n1';
const evict = 'Evict default/web-0';
const moved = 'UpdateRecord Moved';
const withdrawn = 'UpdateRecord Released';

/** n1 lives and has lost the volume of web-0; the record stands, the pod is marked, n1 tainted. */
function begun(...others: readonly string[]): StorageWorld {
  const world = StorageWorld.stored('none');
  const names = ['web-0', ...others];
  for (const name of names) world.workload(name, 'n1');
  world.sick('n1', names);
  world.pass(30_000);
  world.record('n1', names, { reason: 'StorageLost: volume-inaccessible' });
  for (const name of names) world.mark(name);
  world.taint('n1');
  return world;
}

/** web-0 is being deleted, since now. */
function ending(...others: readonly string[]): StorageWorld {
  const world = begun(...others);
  world.changePod('web-0', { deleting: true });
  return world;
}

function gone(world: StorageWorld, name = 'web-0'): void {
  world.remove(world.findPod(name));
}

describe('on a node whose kubelet works a pod', () => {
  it('is ended in order, once the mark and the taint stand, and nothing is fenced', () => {
    const world = begun();
    expect(world.steps()).toEqual([end]);
    const [action] = world.wanted('EndPod');
    expect(action).toMatchObject({ graceMs: 5_000, troubled: ['vol-web-0'], epoch: '7' });
    world.untaint('n1');
    expect(world.steps()).toEqual(['SetTaint fenced.csi-failover.io']);
    world.taint('n1');
    world.changePod('web-0', { annotations: {} });
    expect(world.steps()).toEqual(['MarkPod default/web-0']);
  });

  it('is not ended any more when the record says that all has moved', () => {
    const world = begun();
    world.record('n1', ['web-0'], { phase: 'Moved', reason: 'StorageLost: volume-inaccessible' });
    expect(world.wanted('EndPod')).toEqual([]);
  });

  it('is left alone when a guard has come to hold it', () => {
    const world = begun();
    world.changeNode('n1', { annotations: { [pausedAnnotation]: 'true' } });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['paused']);
  });

  it('is left alone when its volume alone has come back', () => {
    const world = begun('db-0');
    world.sick('n1', ['db-0']);
    expect(world.steps()).toEqual(['EndPod default/db-0']);
    world.changePod('db-0', { deleting: true });
    world.changePod('web-0', { deleting: true });
    world.pass(5_000);
    expect(world.steps()).toEqual(['Hold va-db-0-n1']);
  });

  it('loses its volume by force when it has not ended in time, and is then evicted', () => {
    const world = ending();
    world.pass(4_999);
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBe(world.now + 1);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual([evict, 'UpdateRecord Fenced']);
  });

  it('has that time since the record stands, however long it has been ending', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1', { deleting: true });
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    world.record('n1', ['web-0'], { reason: 'StorageLost: volume-inaccessible' });
    world.mark('web-0');
    world.taint('n1');
    expect(world.steps()).toEqual([]);
    world.pass(5_000);
    expect(world.steps()).toEqual([hold]);
  });

  it('keeps its volume until every pod that uses it there has had its time', () => {
    const world = begun();
    world.pod('web-1', 'n1', ['web-0']);
    world.mark('web-1');
    world.changePod('web-0', { deleting: true });
    world.pass(5_000);
    expect(world.steps()).toEqual(['EndPod default/web-1']);
    world.changePod('web-1', { deleting: true });
    world.pass(4_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
  });

  it('joins when its volume turns bad later, after the storage has vouched for it', () => {
    const world = begun();
    world.offers('get');
    world.says('web-0', 'Healthy');
    world.workload('db-0', 'n1');
    world.sick('n1', ['web-0', 'db-0']);
    world.pass(30_000);
    world.says('web-0', 'Healthy');
    expect(world.steps()).toEqual(['ConfirmHealth vol-db-0', end]);
    world.says('db-0', 'Healthy');
    expect(world.steps()).toEqual([end, 'UpdateRecord Intent']);
    world.pass(11_000);
    expect(world.verdict('n1').handles).toContain('vol-db-0');
    expect(world.steps()).toEqual(['ConfirmHealth vol-db-0', end]);
  });

  it('is not ended by a node that has come back from a failure of another kind', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1');
    world.workload('db-0', 'n1');
    world.lose('n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    for (const name of ['web-0', 'db-0']) world.mark(name);
    world.taint('n1');
    world.stage('web-0', 'n1', 'held');
    world.back('n1');
    world.sick('n1', ['web-0']);
    world.pass(60_000);
    expect(world.verdict('n1').kind).toBe('Alive');
    expect(world.steps()).toEqual([evict]);
    world.sick('n1', ['web-0', 'db-0']);
    world.pass(30_000);
    expect(world.steps()).toEqual(['EndPod default/db-0', evict]);
  });

  it('tells when the API refuses to end it', () => {
    const world = begun();
    const [action] = world.wanted('EndPod');
    if (action !== undefined) world.settle(action, failed('HTTP_403', 'a webhook says no'));
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['eviction-refused']);
  });
});

describe('a pod that ends by itself', () => {
  it('needs no fence: the record goes from Intent to Moved', () => {
    const world = ending();
    world.pass(2_000);
    gone(world);
    world.well('n1', 1);
    expect(world.steps()).toEqual([]);
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual([moved]);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.volumes).toEqual([{ handle: 'vol-web-0', pv: 'pv-web-0' }]);
  });

  it('gives the kubelet two seconds to unmount, however late it ended', () => {
    const world = ending();
    world.pass(4_900);
    gone(world);
    world.pass(1_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
  });

  it('is fenced after it if the volume stays there and the node still cannot use it', () => {
    const world = ending();
    world.pass(1_000);
    gone(world);
    world.pass(3_999);
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBe(world.now + 1);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
  });

  it('is fenced after it although nobody reports any more what no pod has', () => {
    const world = ending();
    world.pass(1_000);
    world.well('n1');
    gone(world);
    expect(world.verdict('n1').kind).toBe('Alive');
    world.pass(3_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
  });

  it('has not ended while it is there, although its attachment is not', () => {
    const world = ending();
    world.remove(world.findAttachment('web-0', 'n1'));
    world.well('n1');
    world.pass(60_000);
    expect(world.wanted('UpdateRecord').map(({ record }) => record.phase)).not.toContain('Moved');
  });

  it('is not fenced after it when its volume was well again before it ended', () => {
    const world = ending('db-0');
    world.sick('n1', ['db-0']);
    world.pass(6_000);
    gone(world);
    world.pass(3_000);
    expect(world.steps()).toEqual(['EndPod default/db-0']);
    world.pass(50_000);
    expect(world.wanted('Hold')).toEqual([]);
  });

  it('leaves nothing in our memory, and nothing at all if it was of another episode', () => {
    const world = ending();
    world.mark('web-0', driver, '6');
    gone(world);
    expect(world.state.deletingSince.size).toBe(0);
    expect(world.state.memory.get('n1')?.unmountDueAt.size).toBe(0);
  });

  it('is fenced a minute after it by a leader who has not seen it go', () => {
    const world = ending();
    gone(world);
    world.well('n1');
    world.state.memory.get('n1')?.unmountDueAt.clear();
    world.pass(59_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([hold]);
  });

  it('is not looked after like that on a node that was lost and is back', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1');
    world.lose('n1');
    world.record('n1', ['web-0']);
    world.mark('web-0');
    world.taint('n1');
    gone(world);
    world.back('n1');
    world.sick('n1', ['other']);
    world.state.leadingSince = world.now;
    world.pass(14_000);
    expect(world.wanted('Hold')).toEqual([]);
    world.state.leadingSince = world.now + 120_000;
    world.pass(100_000);
    expect(world.wanted('Hold')).toEqual([]);
  });

  it('has failed by itself: its object is not ours to delete', () => {
    const world = begun();
    world.changePod('web-0', { phase: 'Failed' });
    expect(world.steps()).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.wanted('Evict')).toHaveLength(1);
  });

  it('keeps the taint out of service away as long as it ends', () => {
    const world = ending('db-0');
    world.stage('db-0', 'n1', 'held');
    world.attachedOn('n1', 'db-0', 'web-0');
    world.record('n1', ['web-0', 'db-0'], {
      phase: 'Fenced',
      reason: 'StorageLost: volume-inaccessible',
    });
    world.changePod('db-0', { phase: 'Failed', deleting: true });
    expect(world.steps()).not.toContain('SetTaint node.kubernetes.io');
    gone(world);
    gone(world, 'db-0');
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toContain('SetTaint node.kubernetes.io');
  });
});

describe('a node that can use its volumes again', () => {
  it('gets its intent taken back when nothing has ended yet and it is seen to be well', () => {
    const world = begun();
    world.well('n1');
    expect(world.steps()).toEqual([]);
    world.pass(9_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('has no pod taken by force, though it was asked to end', () => {
    const world = ending();
    world.pass(2_000);
    world.well('n1');
    world.pass(8_000);
    expect(world.steps()).toEqual([]);
    world.pass(2_000);
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('is not known to by silence of the agent, nor by a report that looked at nothing', () => {
    const world = begun();
    world.beat('n1', { unhealthy: [] });
    world.pass(60_000);
    expect(world.steps()).toEqual([]);
    world.pass(239_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('is not known to while the driver on it does not answer', () => {
    const world = begun();
    world.well('n1', 2, { driver: 'silent' });
    world.pass(50_000);
    expect(world.steps()).toEqual([]);
  });

  it('is not known to by a report that had no room for all that is bad', () => {
    const world = begun();
    world.sick('n1', ['other'], 'Inaccessible', { volumes: { good: 5, bad: 2, unknown: 0 } });
    world.pass(60_000);
    expect(world.steps()).toEqual([]);
    world.sick('n1', ['other'], 'Inaccessible', { volumes: { good: 5, bad: 1, unknown: 0 } });
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('is known to by the word of the driver that the way to the storage is open', () => {
    const world = begun();
    const storage = { status: 'ok', reason: '', message: '' } as const;
    world.beat('n1', { unhealthy: [], storage });
    world.pass(10_000);
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('counts a volume that works, if not at its best', () => {
    const world = begun();
    world.sick('n1', ['web-0'], 'Degraded');
    world.pass(9_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([withdrawn]);
  });

  it('is no reason to take back what has ended: that is finished in order', () => {
    const world = ending('db-0');
    world.well('n1');
    world.pass(6_000);
    gone(world);
    world.pass(10_000);
    expect(world.steps()).toEqual([]);
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual([moved]);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.volumes).toEqual([{ handle: 'vol-web-0', pv: 'pv-web-0' }]);
    expect(update?.unheld?.map(({ name }) => name)).toEqual(['va-db-0-n1']);
  });

  it.each<Stage>(['begun', 'fencing', 'held'])('is finished when a hold is %s', (stage) => {
    const world = ending();
    world.stage('web-0', 'n1', stage);
    world.well('n1');
    world.pass(60_000);
    expect(world.steps()).not.toContain(withdrawn);
  });
});

describe('a node that dies while its pods end', () => {
  it('is failed over without waiting for them', () => {
    const world = ending();
    world.changePod('web-0', { deleting: false });
    world.silent('n1');
    world.pass(20_000);
    expect(world.verdict('n1').kind).toBe('Lost');
    expect(world.steps()).toEqual([hold]);
  });
});
