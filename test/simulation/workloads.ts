/** Which workloads a seed puts on the cluster, and which of their pods we may move. */
import type { JsonObject } from '../../src/shared/effect.ts';
import { enabledLabel, policyAnnotation } from '../../src/shared/names.ts';
import type { Store } from '../model/store.ts';
import type { Prng } from './prng.ts';

export interface Workload {
  /** Pods carry it as label `app`. */
  readonly name: string;
  /** How many pods have to run in the end. */
  readonly replicas: number;
  /** Labelled, and nothing else about it forbids a move, if the drivers of its volumes allow it. */
  readonly movable: boolean;
  /** One pod replaces the other under one name or in one place, so that S1 can be asked. */
  readonly slotted: boolean;
}

export interface VolumePlan {
  readonly driver: string;
  readonly claim: string;
  readonly shared: boolean;
  /** Only this node reaches it. */
  readonly pinnedTo?: string;
}

export interface WorkloadPlan {
  readonly kind: 'statefulsets' | 'deployments' | 'daemon' | 'bare';
  readonly name: string;
  readonly replicas: number;
  readonly labelled: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of a StatefulSet: one volume per pod and driver. */
  readonly drivers: readonly string[];
  /** Of all others: this claim. */
  readonly claim?: VolumePlan;
  readonly podSpec?: JsonObject;
  readonly movable: boolean;
}

export const enabled = { [enabledLabel]: 'true' };

/** One of each seldom kind is enough, and most seeds have none. */
export function planWorkloads(
  prng: Prng,
  drivers: readonly string[],
  nodes: readonly string[],
): readonly WorkloadPlan[] {
  const plans: WorkloadPlan[] = [];
  const main = drivers[0] ?? '';
  const sets = prng.between(1, 3);
  for (let i = 0; i < sets; i += 1) {
    const labelled = prng.chance(0.75);
    const both = drivers.length > 1 && prng.chance(0.3);
    plans.push({
      kind: 'statefulsets',
      name: `set-${i}`,
      replicas: prng.between(1, 3),
      labelled,
      movable: labelled,
      drivers: both ? drivers.slice(0, 2) : [prng.pick(drivers)],
    });
  }
  const apps = prng.between(0, 2);
  for (let i = 0; i < apps; i += 1) {
    const labelled = prng.chance(0.7);
    const claim = { driver: prng.pick(drivers), claim: `data-app-${i}`, shared: prng.chance(0.5) };
    const name = `app-${i}`;
    const common = { kind: 'deployments', replicas: 1, drivers: [] } as const;
    plans.push({ ...common, name, labelled, movable: labelled, claim });
  }
  // A volume that a labelled and an unlabelled workload share: nobody may take it away.
  if (prng.chance(0.35)) {
    const claim = { driver: main, claim: 'common', shared: true };
    const common = { kind: 'deployments', drivers: [], movable: false, claim } as const;
    plans.push({ ...common, name: 'mine', replicas: 1, labelled: true });
    plans.push({ ...common, name: 'theirs', replicas: 2, labelled: false });
  }
  if (prng.chance(0.4)) plans.push(prng.pick(specials(main, prng.pick(nodes))));
  return plans;
}

/** Labelled, and yet not to be moved, each for another reason; and one that says it may go. */
function specials(driver: string, node: string): readonly WorkloadPlan[] {
  const set = { kind: 'statefulsets', replicas: 1, labelled: true, movable: false } as const;
  const claim = { driver, claim: 'data-special', shared: true };
  const single = { replicas: 1, labelled: true, drivers: [], claim, movable: false } as const;
  const nfs = [{ name: 'nfs', nfs: { server: 'filer', path: '/' } }];
  return [
    {
      ...set,
      name: 'retained',
      drivers: [driver],
      annotations: { [policyAnnotation]: 'retain' },
    },
    {
      ...set,
      name: 'tolerant',
      drivers: [driver],
      podSpec: { tolerations: [{ operator: 'Exists' }] },
    },
    { ...set, name: 'foreign', drivers: [driver], podSpec: { volumes: nfs } },
    {
      kind: 'deployments',
      ...single,
      name: 'pinned',
      claim: { ...claim, pinnedTo: node },
    },
    { kind: 'daemon', ...single, name: 'daemon', podSpec: { nodeName: node } },
    { kind: 'bare', ...single, name: 'bare', podSpec: { nodeName: node } },
    {
      kind: 'bare',
      ...single,
      name: 'goer',
      movable: true,
      annotations: { [policyAnnotation]: 'delete' },
      podSpec: { nodeName: node },
    },
  ];
}

export function place(store: Store, plans: readonly WorkloadPlan[]): readonly Workload[] {
  return plans.map((plan) => {
    addVolumes(store, plan);
    if (plan.kind === 'daemon' || plan.kind === 'bare') createPod(store, plan);
    else createOwner(store, plan);
    const { name, replicas, movable, kind } = plan;
    return { name, replicas, movable, slotted: replicas === 1 || kind === 'statefulsets' };
  });
}

/** A DaemonSet has no controller in the model: what it would make stands beside it. */
function createPod(store: Store, plan: WorkloadPlan): void {
  const { metadata, spec } = template(plan);
  const { name } = plan;
  const ownerReferences = plan.kind === 'daemon' ? [createDaemonSet(store, plan)] : undefined;
  const own = {
    ...metadata,
    name,
    namespace: 'default',
    ...(ownerReferences && { ownerReferences }),
  };
  must(store.create('pods', { metadata: own, spec }));
}

/** Without the object itself the garbage collector would take its pod away at once. */
function createDaemonSet(store: Store, plan: WorkloadPlan): JsonObject {
  const { name } = plan;
  const spec = { selector: { matchLabels: { app: name } }, template: template(plan) };
  const created = store.create('daemonsets', { metadata: { name, namespace: 'default' }, spec });
  if (!created.ok) throw new Error(created.message);
  const { uid } = created.object.metadata;
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true };
}

function createOwner(store: Store, plan: WorkloadPlan): void {
  const { kind, name, replicas, drivers } = plan;
  if (kind === 'daemon' || kind === 'bare') return;
  const spec: JsonObject = {
    replicas,
    selector: { matchLabels: { app: name } },
    template: template(plan),
    ...(kind === 'statefulsets'
      ? {
          podManagementPolicy: 'Parallel',
          volumeClaimTemplates: drivers.map((_driver, i) => ({ metadata: { name: `data${i}` } })),
        }
      : { strategy: { type: 'Recreate' } }),
  };
  must(store.create(kind, { metadata: { name, namespace: 'default' }, spec }));
}

function template({ name, labelled, annotations, claim, podSpec }: WorkloadPlan): {
  metadata: JsonObject;
  spec: JsonObject;
} {
  const labels: Record<string, string> = { app: name, ...(labelled ? enabled : {}) };
  const own = claim && [{ name: 'data', persistentVolumeClaim: { claimName: claim.claim } }];
  const volumes = [...((podSpec?.volumes ?? []) as readonly JsonObject[]), ...(own ?? [])];
  return {
    metadata: { labels, ...(annotations === undefined ? {} : { annotations }) },
    spec: { containers: [{ name: 'main' }], ...podSpec, volumes },
  };
}

function addVolumes(store: Store, { kind, name, replicas, drivers, claim }: WorkloadPlan): void {
  if (claim !== undefined) addVolume(store, claim);
  if (kind !== 'statefulsets') return;
  for (let ordinal = 0; ordinal < replicas; ordinal += 1) {
    for (const [i, driver] of drivers.entries()) {
      addVolume(store, { driver, claim: `data${i}-${name}-${ordinal}`, shared: false });
    }
  }
}

/** PV and claim bound to each other with uids, as the binder leaves them. */
function addVolume(store: Store, { driver, claim, shared, pinnedTo }: VolumePlan): void {
  if (store.find('persistentvolumes', `pv-${claim}`) !== undefined) return;
  const accessModes = [shared ? 'ReadWriteMany' : 'ReadWriteOnce'];
  const created = store.create('persistentvolumeclaims', {
    metadata: { name: claim, namespace: 'default' },
    spec: { accessModes, volumeName: `pv-${claim}` },
  });
  if (!created.ok) throw new Error(created.message);
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [pinnedTo ?? ''] }];
  const required = { nodeSelectorTerms: [{ matchFields }] };
  must(
    store.create('persistentvolumes', {
      metadata: { name: `pv-${claim}` },
      spec: {
        accessModes,
        csi: { driver, volumeHandle: `vol-${claim}` },
        claimRef: { namespace: 'default', name: claim, uid: created.object.metadata.uid },
        ...(pinnedTo === undefined ? {} : { nodeAffinity: { required } }),
      },
    }),
  );
}

function must(result: { readonly ok: boolean; readonly message?: string }): void {
  if (!result.ok) throw new Error(result.message);
}
