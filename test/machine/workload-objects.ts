import type { JsonObject } from '../../src/shared/effect.ts';

/** A workload of one pod, with one volume if nothing else is said. */
export interface WorkloadPlan {
  /** `Pod`: a bare one, which nobody creates again. `DaemonSet`: one pod if `nodes` is one. */
  readonly kind: 'StatefulSet' | 'Deployment' | 'DaemonSet' | 'Pod';
  readonly namespace: string;
  readonly name: string;
  /** Labels of the pods beside `app`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly JsonObject[];
  /** Where the pod may run; for machines that share a cluster with others. Default: anywhere. */
  readonly nodes?: readonly string[];
  readonly driverName: string;
  /** Of each of these drivers it has a volume, too. */
  readonly otherDrivers?: readonly string[];
  /** Default ReadWriteOnce. */
  readonly accessMode?: 'ReadWriteOnce' | 'ReadWriteMany';
  /** Uses the volume of this plan of the same namespace, which must be there, instead of its own. */
  readonly shares?: WorkloadPlan;
  /** It writes nowhere; not for a StatefulSet. */
  readonly volumeless?: true;
}

/** The name of the plan's claim: a StatefulSet's is made from its template's name and its pod's. */
export function claimName({ kind, name, shares }: WorkloadPlan): string {
  if (shares !== undefined) return claimName(shares);
  return kind === 'StatefulSet' ? `data-${name}-0` : name;
}

export function volumeHandle({ namespace, name, shares }: WorkloadPlan): string {
  return shares === undefined ? `vol-${namespace}-${name}` : volumeHandle(shares);
}

/** The volumes that the plan needs beside its own, each as if it were a workload's. */
export function otherVolumes({ namespace, name, otherDrivers }: WorkloadPlan): WorkloadPlan[] {
  return (otherDrivers ?? []).map((driverName, index) => {
    return { kind: 'Pod', namespace, name: `${name}-${index + 2}`, driverName };
  });
}

/** `namespace/…` as the array's journal names the plan's writers. */
export function slotOfPlan({ kind, namespace, name }: WorkloadPlan): string {
  return `${namespace}/${kind === 'StatefulSet' ? `${name}-0` : name}`;
}

/** Already bound to its PersistentVolume: provisioning is not what is tested. */
export function claimObject(plan: WorkloadPlan): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace: plan.namespace, name: claimName(plan) },
    spec: {
      ...claimSpec(plan),
      volumeName: pvName(plan),
    },
    status: { phase: 'Bound' },
  };
}

/** Of a StatefulSet; the claim that would be made from it exists already. */
function claimTemplate(plan: WorkloadPlan): JsonObject & { metadata: { name: string } } {
  return { metadata: { name: 'data' }, spec: claimSpec(plan) };
}

function claimSpec({ accessMode = 'ReadWriteOnce' }: WorkloadPlan): JsonObject {
  const resources = { requests: { storage: '64Mi' } };
  return { accessModes: [accessMode], resources, storageClassName: '' };
}

export function pvObject(plan: WorkloadPlan, claimUid: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: pvName(plan) },
    spec: {
      accessModes: [plan.accessMode ?? 'ReadWriteOnce'],
      capacity: { storage: '64Mi' },
      csi: { driver: plan.driverName, volumeHandle: volumeHandle(plan) },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace: plan.namespace,
        name: claimName(plan),
        uid: claimUid,
      },
    },
    status: { phase: 'Bound' },
  };
}

export function workloadObject(plan: WorkloadPlan): JsonObject {
  const { kind, namespace, name } = plan;
  const app = { app: name };
  const { metadata, spec } = podTemplate(plan);
  if (kind === 'Pod') {
    return { apiVersion: 'v1', kind, metadata: { ...metadata, namespace, name }, spec };
  }
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace, name, labels: app },
    spec: {
      selector: { matchLabels: app },
      template: { metadata, spec },
      ...(kind === 'StatefulSet' && {
        replicas: 1,
        serviceName: name,
        volumeClaimTemplates: [claimTemplate(plan)],
      }),
      ...(kind === 'Deployment' && { replicas: 1, strategy: { type: 'Recreate' } }),
    },
  };
}

function podTemplate(plan: WorkloadPlan): { metadata: JsonObject; spec: JsonObject } {
  const { kind, name, labels, annotations, tolerations, nodes } = plan;
  const own = kind === 'StatefulSet' || plan.volumeless === true ? [] : [plan];
  const claims = [...own, ...otherVolumes(plan)].map(claimName);
  const volumes = claims.map((claim) => {
    return { name: claim, persistentVolumeClaim: { claimName: claim } };
  });
  return {
    metadata: { labels: { app: name, ...labels }, ...(annotations && { annotations }) },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [{ name, image: `example.test/${name}:1` }],
      ...(tolerations && { tolerations }),
      ...(nodes && { affinity: { nodeAffinity: affinityTo(nodes) } }),
      volumes,
    },
  };
}

function affinityTo(nodes: readonly string[]): JsonObject {
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: [...nodes] }];
  const nodeSelectorTerms = [{ matchExpressions }];
  return { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
}

export function pvName(plan: WorkloadPlan): string {
  return `pv-${plan.namespace}-${plan.name}`;
}
