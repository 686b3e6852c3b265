/** The modelled controllers one by one, as far as the stories of a dead node do not show them. */
import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import { handleOf, ModelCluster, nodeIdOf } from '../../model/cluster.ts';

const second = 1_000;

function runningPod(cluster: ModelCluster, app: string): string | undefined {
  return cluster.podsOf(app).find((pod) => pod.status?.phase === 'Running')?.spec.nodeName;
}

describe('workload controllers', () => {
  it('StatefulSet: re-creates a failed pod in the same step, waits for a terminating one', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web');
    cluster.run(5 * second);
    const first = cluster.pod('web-0')?.metadata.uid;
    const place = { namespace: 'default', name: 'web-0' };
    cluster.store.patch('pods', place, { status: { phase: 'Failed' } }, { subresource: 'status' });
    cluster.run(100);
    const second0 = cluster.pod('web-0')?.metadata.uid;
    expect(second0).not.toBe(first);
    cluster.run(5 * second);
    cluster.machine(cluster.pod('web-0')?.spec.nodeName ?? '').powerOff();
    cluster.store.delete('pods', place);
    cluster.run(10 * second);
    expect(cluster.pod('web-0')?.metadata).toMatchObject({ uid: second0 });
    expect(cluster.podsOf('web')).toHaveLength(1);
  });

  it('ReplicaSet: replaces a failed or terminating pod at once and leaves it there', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('db');
    cluster.addDeployment('db', 'db');
    cluster.run(5 * second);
    const first = cluster.podsOf('db')[0];
    const place = { namespace: 'default', name: first?.metadata.name ?? '' };
    cluster.store.patch('pods', place, { status: { phase: 'Failed' } }, { subresource: 'status' });
    cluster.run(100);
    expect(cluster.podsOf('db')).toHaveLength(2);
    expect(cluster.store.find('pods', place.name, 'default')?.status?.phase).toBe('Failed');
  });

  it('Deployment: Recreate starts the new template when no old pod is left', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('db');
    cluster.addDeployment('db', 'db');
    cluster.run(5 * second);
    const old = cluster.podsOf('db')[0]?.metadata.uid;
    const template = { metadata: { annotations: { version: '2' } } };
    cluster.store.patch(
      'deployments',
      { namespace: 'default', name: 'db' },
      { spec: { template } },
    );
    let together = 0;
    cluster.run(10 * second, () => {
      const unfinished = cluster.podsOf('db').filter(({ status }) => status?.phase !== 'Failed');
      together = Math.max(together, unfinished.length);
      return false;
    });
    expect(together).toBe(1);
    expect(runningPod(cluster, 'db')).toBeDefined();
    expect(cluster.podsOf('db')[0]?.metadata.uid).not.toBe(old);
  });

  it('collects what lost its owner', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('db');
    cluster.addDeployment('db', 'db');
    cluster.run(5 * second);
    cluster.store.delete('deployments', { namespace: 'default', name: 'db' });
    cluster.run(10 * second);
    expect(cluster.store.all('replicasets')).toHaveLength(0);
    expect(cluster.podsOf('db')).toHaveLength(0);
    expect(cluster.store.all('volumeattachments')).toHaveLength(0);
    expect(cluster.array.publishedNodes(handleOf('db'))).toStrictEqual([]);
  });
});

describe('scheduler', () => {
  const unplaced = (cluster: ModelCluster): boolean => {
    cluster.run(2 * second);
    return (cluster.pod('web-0')?.spec.nodeName ?? '') === '';
  };

  it.each<[string, JsonObject]>([
    ['a nodeSelector that no node has', { nodeSelector: { zone: 'z' } }],
    [
      'a required affinity that no node has',
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'Exists' }] }],
            },
          },
        },
      },
    ],
  ])('leaves a pod unbound with %s', (_what, spec) => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web', 1, spec);
    expect(unplaced(cluster)).toBe(true);
  });

  it('leaves a pod unbound while all nodes are tainted or cordoned, unless it tolerates that', () => {
    const cluster = new ModelCluster();
    for (const node of ['a', 'b']) cluster.taint(node, 'x.io/away');
    cluster.store.patch('nodes', { name: 'c' }, { spec: { unschedulable: true } });
    cluster.addStatefulSet('web');
    expect(unplaced(cluster)).toBe(true);
    cluster.addStatefulSet('bold', 1, { tolerations: [{ key: 'x.io/away', operator: 'Exists' }] });
    cluster.run(5 * second);
    expect(cluster.pod('bold-0')?.spec.nodeName).toBe('a');
  });

  it('binds only to nodes whose CSINode lists the driver and that the PV allows', () => {
    const cluster = new ModelCluster();
    cluster.store.patch('csinodes', { name: 'a' }, { spec: { drivers: [] } });
    cluster.addStatefulSet('web');
    cluster.run(5 * second);
    expect(cluster.pod('web-0')?.spec.nodeName).toBe('b');
    cluster.addVolume('pinned');
    const values = ['c'];
    const terms = [
      { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] },
    ];
    cluster.store.patch(
      'persistentvolumes',
      { name: 'pv-pinned' },
      { spec: { nodeAffinity: { required: { nodeSelectorTerms: terms } } } },
    );
    cluster.addPod('pinned', 'pinned');
    cluster.run(5 * second);
    expect(cluster.pod('pinned')?.spec.nodeName).toBe('c');
  });

  it('keeps a second user of a ReadWriteOncePod claim waiting', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('solo', ['ReadWriteOncePod']);
    cluster.addPod('one', 'solo');
    cluster.run(3 * second);
    cluster.addPod('two', 'solo');
    cluster.run(3 * second);
    expect(cluster.pod('two')?.spec.nodeName).toBeUndefined();
    cluster.forceDelete('one');
    cluster.run(5 * second);
    expect(cluster.isRunning('two')).toBe(true);
  });
});

describe('node lifecycle', () => {
  const taints = (cluster: ModelCluster, node: string): readonly string[] =>
    (cluster.store.find('nodes', node)?.spec?.taints ?? []).map(
      ({ key, effect }) => `${key}:${effect}`,
    );

  it('taints a silent node, marks its pods, and takes all back when it returns', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web');
    cluster.run(5 * second);
    cluster.machine('a').cutApi(true);
    cluster.run(70 * second);
    expect(taints(cluster, 'a')).toStrictEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
    const ready = cluster.pod('web-0')?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready?.status).toBe('False');
    cluster.machine('a').cutApi(false);
    cluster.run(20 * second);
    expect(taints(cluster, 'a')).toStrictEqual([]);
    const again = cluster.pod('web-0')?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(again?.status).toBe('True');
  });

  it('stops evicting when all nodes fall silent', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web', 3);
    cluster.run(5 * second);
    for (const machine of cluster.machines.values()) machine.cutApi(true);
    cluster.run(500 * second);
    for (const node of ['a', 'b', 'c']) {
      expect(taints(cluster, node).filter((one) => one.endsWith('NoExecute'))).toStrictEqual([]);
    }
    expect(cluster.podsOf('web').some((pod) => pod.metadata.deletionTimestamp)).toBe(false);
  });
});

describe('kubelet', () => {
  it('reports a volume in use before it is mounted, and until it is unstaged', () => {
    const cluster = new ModelCluster();
    const violations: string[] = [];
    const inUse = (node: string): number =>
      cluster.store.find('nodes', node)?.status?.volumesInUse?.length ?? 0;
    const check = (): boolean => {
      for (const [name, { machine }] of cluster.machines) {
        if (machine.staged.length > inUse(name)) violations.push(name);
      }
      return false;
    };
    cluster.addStatefulSet('web');
    cluster.run(5 * second, check);
    cluster.store.delete('pods', { namespace: 'default', name: 'web-0' });
    cluster.run(5 * second, check);
    expect(violations).toStrictEqual([]);
    expect(cluster.isRunning('web-0')).toBe(true);
    expect(inUse('a') + inUse('b') + inUse('c')).toBe(1);
  });

  it('owns its Lease and CSINode by its Node, so that they go with it', () => {
    const cluster = new ModelCluster();
    cluster.machine('a').powerOff();
    cluster.store.delete('nodes', { name: 'a' });
    cluster.run(second);
    expect(cluster.store.find('leases', 'a', 'kube-node-lease')).toBeUndefined();
    expect(cluster.store.find('csinodes', 'a')).toBeUndefined();
  });

  it('starts nothing before the attachment is there', () => {
    const cluster = new ModelCluster();
    cluster.array.interfere = () => 'pending';
    cluster.addStatefulSet('web');
    cluster.run(10 * second);
    expect([...cluster.machines.values()].flatMap((machine) => machine.running)).toStrictEqual([]);
    cluster.array.interfere = undefined;
    cluster.run(5 * second);
    expect(cluster.isRunning('web-0')).toBe(true);
  });

  it('kills and unmounts a pod that vanished, when it hears of it', () => {
    const cluster = new ModelCluster();
    cluster.addVolume('v');
    cluster.addPod('p', 'v', 'a');
    cluster.run(5 * second);
    const machine = cluster.machine('a');
    machine.cutApi(true);
    cluster.forceDelete('p');
    cluster.run(10 * second);
    expect(machine.running).toHaveLength(1);
    machine.cutApi(false);
    cluster.run(2 * second);
    expect(machine.running).toHaveLength(0);
    expect(machine.machine).toMatchObject({ staged: [], published: [] });
    cluster.run(5 * second);
    expect(cluster.array.publishedNodes(handleOf('v'))).toStrictEqual([]);
  });

  it('finds its pods again after a restart, and starts them anew after a reboot', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web');
    cluster.run(5 * second);
    const machine = cluster.machine('a');
    machine.killKubelet();
    cluster.run(20 * second);
    machine.startKubelet();
    cluster.run(5 * second);
    const restarts = (): number | undefined =>
      cluster.pod('web-0')?.status?.containerStatuses?.[0]?.restartCount;
    expect(machine.running).toHaveLength(1);
    expect(restarts()).toBe(0);
    const before = machine.bootId;
    machine.boot();
    cluster.run(5 * second);
    expect(cluster.store.find('nodes', 'a')?.status?.nodeInfo?.bootID).not.toBe(before);
    expect(machine.running).toHaveLength(1);
    expect(cluster.array.publishedNodes(handleOf('data-web-0'))).toStrictEqual([nodeIdOf('a')]);
  });
});

describe('attacher', () => {
  it('retries a failed publish with growing pauses, and a hung one after its timeout', () => {
    const cluster = new ModelCluster();
    let calls: number[] = [];
    cluster.array.interfere = () => {
      calls.push(cluster.now);
      return { error: 'not now' };
    };
    cluster.addStatefulSet('web');
    cluster.run(20 * second);
    expect(calls.length).toBeLessThanOrEqual(7);
    const pauses = calls.slice(2).map((at, index) => at - (calls[index + 1] ?? 0));
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0] ?? 0);
    calls = [];
    cluster.array.interfere = () => {
      calls.push(cluster.now);
      return 'pending';
    };
    const error = (): string => cluster.attachmentOn('a')?.status?.attachError?.message ?? '';
    cluster.run(60 * second, () => error().includes('DeadlineExceeded'));
    expect(error()).toContain('DeadlineExceeded');
    cluster.array.interfere = undefined;
    cluster.run(300 * second, () => cluster.isRunning('web-0'));
    expect(cluster.isRunning('web-0')).toBe(true);
  });
});

describe('attach/detach after a restart of its process', () => {
  it('knows from node status what is attached, and goes on', () => {
    const cluster = new ModelCluster();
    cluster.addStatefulSet('web');
    cluster.run(5 * second);
    cluster.controlPlane.restart();
    cluster.run(70 * second);
    expect(cluster.array.calls.map(({ kind }) => kind)).toStrictEqual(['publish']);
    cluster.store.delete('statefulsets', { namespace: 'default', name: 'web' });
    cluster.run(10 * second);
    expect(cluster.store.all('volumeattachments')).toHaveLength(0);
  });
});
