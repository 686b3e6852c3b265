/** Which workloads a seed puts on the cluster, and which of their pods we may move. */
import type { JsonObject } from '../../src/shared/effect.ts';
import { type ModelCluster, testDriver } from '../model/cluster.ts';
import type { Prng } from './prng.ts';

export interface Workload {
  /** Pods carry it as label `app`. */
  readonly name: string;
  /** Labelled, and nothing else about it forbids a move. */
  readonly movable: boolean;
  readonly claims: readonly string[];
}

export const enabled = { 'csi-failover.io/enabled': 'true' };

export function placeWorkloads(cluster: ModelCluster, prng: Prng): readonly Workload[] {
  const workloads: Workload[] = [];
  const sets = prng.between(1, 3);
  for (let i = 0; i < sets; i += 1) {
    const name = `set-${i}`;
    const movable = prng.chance(0.7);
    const replicas = prng.between(1, 3);
    const claims = Array.from({ length: replicas }, (_, ordinal) => `data-${name}-${ordinal}`);
    for (const claim of claims) addVolume(cluster, claim, 'ReadWriteOnce');
    create(cluster, 'statefulsets', name, { movable, replicas });
    workloads.push({ name, movable, claims });
  }
  const deployments = prng.between(0, 2);
  for (let i = 0; i < deployments; i += 1) {
    const name = `app-${i}`;
    const movable = prng.chance(0.7);
    const claim = `shared-${i}`;
    addVolume(cluster, claim, prng.chance(0.5) ? 'ReadWriteMany' : 'ReadWriteOnce');
    create(cluster, 'deployments', name, { movable, replicas: 1, claim });
    workloads.push({ name, movable, claims: [claim] });
  }
  // A volume that a labelled and an unlabelled workload share: nobody may take it away.
  if (prng.chance(0.35)) {
    addVolume(cluster, 'common', 'ReadWriteMany');
    create(cluster, 'deployments', 'mine', { movable: true, replicas: 1, claim: 'common' });
    create(cluster, 'deployments', 'theirs', { movable: false, replicas: 2, claim: 'common' });
    workloads.push({ name: 'mine', movable: true, claims: ['common'] });
    workloads.push({ name: 'theirs', movable: false, claims: ['common'] });
  }
  return workloads;
}

/** PV and claim bound to each other with uids, as the binder leaves them. */
function addVolume(cluster: ModelCluster, claim: string, mode: string): void {
  const { store } = cluster;
  const created = store.create('persistentvolumeclaims', {
    metadata: { name: claim, namespace: 'default' },
    spec: { accessModes: [mode], volumeName: `pv-${claim}` },
  });
  if (!created.ok) throw new Error(created.message);
  store.create('persistentvolumes', {
    metadata: { name: `pv-${claim}` },
    spec: {
      accessModes: [mode],
      csi: { driver: testDriver, volumeHandle: `vol-${claim}` },
      claimRef: { namespace: 'default', name: claim, uid: created.object.metadata.uid },
    },
  });
}

function create(
  cluster: ModelCluster,
  resource: 'statefulsets' | 'deployments',
  name: string,
  { movable, replicas, claim }: { movable: boolean; replicas: number; claim?: string },
): void {
  const labels: Record<string, string> = { app: name, ...(movable ? enabled : {}) };
  const volumes: JsonObject[] =
    claim === undefined ? [] : [{ name: 'data', persistentVolumeClaim: { claimName: claim } }];
  const spec: JsonObject = {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels }, spec: { containers: [{ name: 'main' }], volumes } },
    ...(resource === 'statefulsets'
      ? { podManagementPolicy: 'Parallel', volumeClaimTemplates: [{ metadata: { name: 'data' } }] }
      : { strategy: { type: 'Recreate' } }),
  };
  const result = cluster.store.create(resource, { metadata: { name, namespace: 'default' }, spec });
  if (!result.ok) throw new Error(result.message);
}
