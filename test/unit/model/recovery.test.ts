/** What real controllers were seen to do when a node dies, on the model. Times in ms. */
import { describe, expect, it } from '@jest/globals';
import { attacherFinalizer, holdFinalizer, outOfServiceTaint } from '../../../src/shared/names.ts';
import { handleOf, ModelCluster, nodeIdOf, testDriver } from '../../model/cluster.ts';

const second = 1_000;
const minute = 60 * second;
const volume = handleOf('data-web-0');

/** One StatefulSet pod running on node a, whose machine then loses power; other nodes are b and c. */
function clusterWithDeadNode(): ModelCluster {
  const cluster = new ModelCluster();
  cluster.addStatefulSet('web');
  cluster.run(10 * second, () => cluster.isRunning('web-0'));
  expect(cluster.pod('web-0')?.spec.nodeName).toBe('a');
  expect(cluster.array.publishedNodes(volume)).toStrictEqual([nodeIdOf('a')]);
  cluster.run(5 * second);
  cluster.machine('a').powerOff();
  cluster.run(5 * second);
  return cluster;
}

/** Until web-0 runs on another node than a. */
function recovery(cluster: ModelCluster, limitMs: number): number | undefined {
  const elsewhere = (): boolean =>
    cluster.pod('web-0')?.spec.nodeName !== 'a' && cluster.isRunning('web-0');
  const passed = cluster.run(limitMs, elsewhere);
  return elsewhere() ? passed : undefined;
}

describe('a dead node without csi-failover', () => {
  it('is Ready=Unknown after about 50 s, evicted 300 s later, and never recovers', () => {
    const cluster = clusterWithDeadNode();
    const unknownAfter = cluster.run(
      2 * minute,
      () =>
        cluster.store
          .find('nodes', 'a')
          ?.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'Unknown') ===
        true,
    );
    expect(unknownAfter + 5 * second).toBeGreaterThanOrEqual(40 * second);
    expect(unknownAfter + 5 * second).toBeLessThanOrEqual(60 * second);
    cluster.run(290 * second);
    expect(cluster.pod('web-0')?.metadata.deletionTimestamp).toBeUndefined();
    cluster.run(20 * second);
    expect(cluster.pod('web-0')?.metadata.deletionTimestamp).toBeDefined();
    expect(recovery(cluster, 15 * minute)).toBeUndefined();
    expect(cluster.array.publishedNodes(volume)).toStrictEqual([nodeIdOf('a')]);
  });

  it('takes the 6-minute rule when the pod alone is force-deleted', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', 'test.example/keep-away');
    cluster.forceDelete('web-0');
    const passed = recovery(cluster, 10 * minute) ?? 0;
    expect(passed).toBeGreaterThanOrEqual(360 * second);
    expect(passed).toBeLessThanOrEqual(367 * second);
  });

  it('never takes it when forced detaches on timeout are off', () => {
    const cluster = new ModelCluster({
      controlPlane: { attachDetach: { disableForceDetachOnTimeout: true } },
    });
    cluster.addStatefulSet('web');
    cluster.run(10 * second, () => cluster.isRunning('web-0'));
    cluster.machine('a').powerOff();
    cluster.taint('a', 'test.example/keep-away');
    cluster.forceDelete('web-0');
    expect(recovery(cluster, 20 * minute)).toBeUndefined();
  });

  it('takes the 60 s verify sync when pod and VolumeAttachment are deleted', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', 'test.example/keep-away');
    cluster.forceDelete('web-0');
    const name = cluster.attachmentOn('a')?.metadata.name ?? '';
    cluster.store.delete('volumeattachments', { name });
    const passed = recovery(cluster, 2 * minute) ?? Number.NaN;
    expect(passed).toBeGreaterThan(5 * second);
    expect(passed).toBeLessThanOrEqual(61 * second);
  });

  it('puts the pod back on the dead node when it is force-deleted without a taint', () => {
    const cluster = clusterWithDeadNode();
    cluster.addPod('other-b', 'no-claim', 'b');
    cluster.addPod('other-c', 'no-claim', 'c');
    const before = cluster.pod('web-0')?.metadata.uid;
    cluster.forceDelete('web-0');
    cluster.run(100);
    expect(cluster.pod('web-0')?.metadata.uid).not.toBe(before);
    expect(cluster.pod('web-0')?.spec.nodeName).toBe('a');
  });

  it('waits for NotReady when the out-of-service taint is set at once, and for PodGC', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', outOfServiceTaint, 'NoExecute');
    const passed = recovery(cluster, 2 * minute) ?? Number.NaN;
    expect(passed).toBeGreaterThan(35 * second);
    expect(passed).toBeLessThanOrEqual(75 * second);
  });

  it('collects the pods of a deleted Node after 40 s and PodGC period', () => {
    const cluster = clusterWithDeadNode();
    const before = cluster.pod('web-0')?.metadata.uid;
    cluster.store.delete('nodes', { name: 'a' });
    const replaced = (): boolean => cluster.pod('web-0')?.metadata.uid !== before;
    const passed = cluster.run(2 * minute, replaced);
    expect(passed).toBeGreaterThanOrEqual(40 * second);
    expect(passed).toBeLessThanOrEqual(61 * second);
  });

  it('collects them earlier where a Node of that name was missed before and came back', () => {
    const cluster = clusterWithDeadNode();
    const before = cluster.pod('web-0')?.metadata.uid;
    const node = cluster.store.find('nodes', 'a');
    if (node === undefined) throw new Error('no Node a');
    cluster.store.delete('nodes', { name: 'a' });
    cluster.run(21 * second);
    const { name, labels } = node.metadata;
    const metadata = labels === undefined ? { name } : { name, labels };
    cluster.store.create('nodes', { ...node, metadata });
    cluster.run(10 * second);
    expect(cluster.pod('web-0')?.metadata.uid).toBe(before);
    cluster.store.delete('nodes', { name: 'a' });
    const replaced = (): boolean => cluster.pod('web-0')?.metadata.uid !== before;
    expect(cluster.run(2 * minute, replaced)).toBeLessThanOrEqual(30 * second);
  });
});

describe('the fast path', () => {
  it('detaches 0.1 s after the pod is gone while the node is still Ready', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', outOfServiceTaint, 'NoSchedule');
    cluster.forceDelete('web-0');
    expect(cluster.run(second, () => cluster.attachmentOn('a') === undefined)).toBeLessThan(301);
    expect(recovery(cluster, 10 * second)).toBeLessThanOrEqual(2 * second);
    expect(cluster.array.publishedNodes(volume)).not.toContain(nodeIdOf('a'));
  });

  it('needs only phase=Failed: the pod object need not be gone', () => {
    const cluster = clusterWithDeadNode();
    cluster.controlPlane.switch('stateful-set', false);
    cluster.taint('a', outOfServiceTaint, 'NoSchedule');
    cluster.run(second);
    expect(cluster.attachmentOn('a')).toBeDefined();
    const place = { namespace: 'default', name: 'web-0' };
    cluster.store.patch('pods', place, { status: { phase: 'Failed' } }, { subresource: 'status' });
    expect(cluster.run(second, () => cluster.attachmentOn('a') === undefined)).toBeLessThan(301);
    expect(cluster.pod('web-0')).toBeDefined();
  });

  it('does nothing to running pods of a healthy node', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web');
    cluster.run(10 * second);
    const before = cluster.pod('web-0')?.metadata.uid;
    cluster.taint('a', outOfServiceTaint, 'NoSchedule');
    cluster.run(45 * second);
    expect(cluster.pod('web-0')?.metadata.uid).toBe(before);
    expect(cluster.array.calls.map(({ kind }) => kind)).toStrictEqual(['publish']);
  });

  it('tears the volume off a healthy node once its pod has finished', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('job');
    cluster.addPod('job', 'job', 'a');
    cluster.run(10 * second, () => cluster.isRunning('job'));
    cluster.taint('a', outOfServiceTaint, 'NoSchedule');
    const place = { namespace: 'default', name: 'job' };
    // The kubelet hangs with the volume mounted while the pod is seen as finished.
    cluster.machine('a').cutApi(true);
    cluster.store.patch(
      'pods',
      place,
      { status: { phase: 'Succeeded' } },
      { subresource: 'status' },
    );
    cluster.run(300);
    expect(cluster.array.publishedNodes(handleOf('job'))).toStrictEqual([]);
    expect(cluster.store.find('nodes', 'a')?.status?.volumesInUse).toHaveLength(1);
  });
});

describe('the hold', () => {
  function hold(cluster: ModelCluster): string {
    const attachment = cluster.attachmentOn('a');
    const { name, uid } = attachment?.metadata ?? { name: '', uid: '' };
    const finalizers = [...(attachment?.metadata.finalizers ?? []), holdFinalizer];
    cluster.store.patch('volumeattachments', { name }, { metadata: { uid, finalizers } });
    cluster.store.delete('volumeattachments', { name }, { uid });
    return name;
  }

  it('keeps the volume unpublished for 75 s although the pod still wants it', () => {
    const cluster = clusterWithDeadNode();
    const name = hold(cluster);
    cluster.run(100);
    const held = cluster.store.find('volumeattachments', name);
    expect(held?.metadata.finalizers).toStrictEqual([holdFinalizer]);
    expect(held?.status?.attached).toBe(false);
    cluster.run(75 * second);
    expect(cluster.pod('web-0')?.spec.nodeName).toBe('a');
    expect(cluster.array.calls.map(({ kind }) => kind)).toStrictEqual(['publish', 'unpublish']);
    expect(cluster.attachmentOn('a')?.metadata.uid).toBe(held?.metadata.uid);
  });

  it('lets the pod run elsewhere in under 2 s once pods are evicted and the hold is removed', () => {
    const cluster = clusterWithDeadNode();
    const start = cluster.now;
    cluster.taint('a', 'test.example/keep-away');
    const name = hold(cluster);
    cluster.run(100);
    const uid = cluster.pod('web-0')?.metadata.uid;
    const place = { namespace: 'default', name: 'web-0' };
    const failed = { metadata: { uid }, status: { phase: 'Failed' } };
    cluster.store.patch('pods', place, failed, { subresource: 'status' });
    cluster.taint('a', outOfServiceTaint);
    cluster.run(
      second,
      () => cluster.store.find('nodes', 'a')?.status?.volumesAttached?.length === 0,
    );
    expect(cluster.store.delete('pods', place, { uid })).toMatchObject({ ok: false, status: 409 });
    expect(cluster.store.find('volumeattachments', name)).toBeDefined();
    cluster.store.patch('volumeattachments', { name }, { metadata: { finalizers: null } });
    expect(recovery(cluster, 10 * second)).toBeDefined();
    expect(cluster.now - start).toBeLessThanOrEqual(2 * second);
  });

  it('blocks the volume for two minutes if it goes in the middle of another attach there', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', 'test.example/keep-away');
    const name = hold(cluster);
    const attached = () => cluster.store.find('nodes', 'a')?.status?.volumesAttached ?? [];
    cluster.run(61 * second, () => attached().length === 0);
    expect(attached()).toEqual([]);
    cluster.run(100);
    cluster.forceDelete('web-0');
    cluster.store.patch('volumeattachments', { name }, { metadata: { finalizers: null } });
    expect(recovery(cluster, 3 * minute)).toBeGreaterThan(115 * second);
  });

  it('blocks nothing if it goes when that one has failed, and no pod wants another', () => {
    const cluster = clusterWithDeadNode();
    cluster.taint('a', 'test.example/keep-away');
    const name = hold(cluster);
    const attached = () => cluster.store.find('nodes', 'a')?.status?.volumesAttached ?? [];
    cluster.run(61 * second, () => attached().length === 0);
    cluster.run(100);
    cluster.forceDelete('web-0');
    cluster.run(second);
    cluster.store.patch('volumeattachments', { name }, { metadata: { finalizers: null } });
    expect(recovery(cluster, minute)).toBeLessThan(3 * second);
  });

  it('is not there without our finalizer: a VolumeAttachment still wanted comes back within 60 s', () => {
    const cluster = clusterWithDeadNode();
    const name = cluster.attachmentOn('a')?.metadata.name ?? '';
    cluster.store.delete('volumeattachments', { name });
    cluster.run(100);
    expect(cluster.store.find('volumeattachments', name)).toBeUndefined();
    const passed = cluster.run(
      2 * minute,
      () => cluster.attachmentOn('a')?.status?.attached === true,
    );
    expect(passed).toBeLessThanOrEqual(61 * second);
    expect(cluster.array.publishedNodes(volume)).toStrictEqual([nodeIdOf('a')]);
  });
});

describe('what attach/detach and the attacher do not protect from', () => {
  it('attaches elsewhere within a second of a failed unpublish', () => {
    const cluster = clusterWithDeadNode();
    cluster.array.interfere = ({ kind }) =>
      kind === 'unpublish' ? { error: 'array says no' } : undefined;
    cluster.taint('a', 'test.example/keep-away');
    cluster.taint('a', outOfServiceTaint);
    cluster.forceDelete('web-0');
    expect(recovery(cluster, 10 * second)).toBeLessThanOrEqual(2 * second);
    const old = cluster.attachmentOn('a');
    expect(old?.status).toMatchObject({
      attached: true,
      detachError: { message: 'array says no' },
    });
    expect(old?.metadata.finalizers).toStrictEqual([attacherFinalizer(testDriver)]);
    expect(cluster.array.publishedNodes(volume)).toHaveLength(2);
    cluster.array.interfere = undefined;
    cluster.run(5 * minute);
    expect(cluster.attachmentOn('a')).toBeUndefined();
    expect(cluster.array.publishedNodes(volume)).toHaveLength(1);
  });

  it('publishes to the dead node again after a direct unpublish, at the next reconcile', () => {
    const cluster = clusterWithDeadNode();
    cluster.array.unpublish(volume, nodeIdOf('a'));
    cluster.run(61 * second);
    expect(cluster.array.publishedNodes(volume)).toStrictEqual([nodeIdOf('a')]);
  });

  it('unpublishes the id that CSINode now has, and calls it done', () => {
    const cluster = clusterWithDeadNode();
    // Within one object a driver's node id never changes: the driver was registered anew.
    for (const drivers of [[], [{ name: testDriver, nodeID: 'id-new' }]]) {
      cluster.store.patch('csinodes', { name: 'a' }, { spec: { drivers } });
    }
    cluster.store.delete('volumeattachments', {
      name: cluster.attachmentOn('a')?.metadata.name ?? '',
    });
    cluster.run(200);
    expect(cluster.attachmentOn('a')).toBeUndefined();
    expect(cluster.array.publishedNodes(volume)).toStrictEqual([nodeIdOf('a')]);
  });

  it('takes the node id from the annotation when CSINode is gone', () => {
    const cluster = clusterWithDeadNode();
    cluster.store.delete('csinodes', { name: 'a' });
    cluster.store.delete('volumeattachments', {
      name: cluster.attachmentOn('a')?.metadata.name ?? '',
    });
    cluster.run(200);
    expect(cluster.array.publishedNodes(volume)).toStrictEqual([]);
  });

  it('lets an RWX replacement run with the dead node still published', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('shared', ['ReadWriteMany']);
    cluster.addDeployment('wide', 'shared');
    const running = (): number =>
      cluster.podsOf('wide').filter((pod) => pod.status?.phase === 'Running').length;
    cluster.run(10 * second, () => running() === 1);
    cluster.machine('a').powerOff();
    cluster.taint('a', 'test.example/keep-away');
    cluster.forceDelete(cluster.podsOf('wide')[0]?.metadata.name ?? '');
    expect(cluster.run(10 * second, () => running() === 1)).toBeLessThanOrEqual(2 * second);
    expect(cluster.array.publishedNodes(handleOf('shared'))).toHaveLength(2);
  });
});
