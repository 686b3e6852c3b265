import type { JsonObject } from '../../src/shared/effect.ts';

/** A workload of one pod with one RWO volume. */
export interface WorkloadPlan {
  readonly kind: 'StatefulSet' | 'Deployment';
  readonly namespace: string;
  readonly name: string;
  /** Labels of the pods beside `app`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly driverName: string;
}

/** The name of the plan's claim: a StatefulSet's is made from its template's name and its pod's. */
export function claimName({ kind, name }: WorkloadPlan): string {
  return kind === 'StatefulSet' ? `data-${name}-0` : name;
}

export function volumeHandle(plan: WorkloadPlan): string {
  return `vol-${plan.namespace}-${plan.name}`;
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
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '64Mi' } },
      volumeName: pvName(plan),
    },
    status: { phase: 'Bound' },
  };
}

export function pvObject(plan: WorkloadPlan, claimUid: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: pvName(plan) },
    spec: {
      accessModes: ['ReadWriteOnce'],
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
  const app = { app: plan.name };
  const stateful = plan.kind === 'StatefulSet';
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: claimName(plan) } }];
  return {
    apiVersion: 'apps/v1',
    kind: plan.kind,
    metadata: { namespace: plan.namespace, name: plan.name, labels: app },
    spec: {
      replicas: 1,
      selector: { matchLabels: app },
      template: {
        metadata: { labels: { ...app, ...plan.labels } },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [{ name: plan.name, image: `example.test/${plan.name}:1` }],
          ...(stateful ? {} : { volumes }),
        },
      },
      ...(stateful
        ? { serviceName: plan.name, volumeClaimTemplates: [{ metadata: { name: 'data' } }] }
        : { strategy: { type: 'Recreate' } }),
    },
  };
}

function pvName(plan: WorkloadPlan): string {
  return `pv-${plan.namespace}-${plan.name}`;
}
