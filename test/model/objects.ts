/**
 * Kubernetes API objects as plain JSON, with only the fields that the modelled controllers read.
 * Type aliases, not interfaces: an alias stays assignable to `JsonObject`.
 */
import type { JsonObject } from '../../src/shared/effect.ts';

export type OwnerReference = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
};

export type Metadata = {
  readonly name: string;
  readonly generateName?: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
};

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastHeartbeatTime?: string;
  readonly lastTransitionTime?: string;
};

export type NodeTaint = {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
};

export type PodToleration = {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
  readonly tolerationSeconds?: number;
};

export type Requirement = {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
};

export type NodeSelector = {
  readonly nodeSelectorTerms: readonly {
    readonly matchExpressions?: readonly Requirement[];
    readonly matchFields?: readonly Requirement[];
  }[];
};

export type Volume = {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
  readonly [source: string]: JsonObject | string | undefined;
};

export type PodSpec = {
  readonly nodeName?: string;
  readonly restartPolicy?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly containers?: readonly JsonObject[];
  readonly volumes?: readonly Volume[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: {
    readonly nodeAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector;
    };
  };
  readonly tolerations?: readonly PodToleration[];
};

export type ContainerStatus = {
  readonly name: string;
  readonly state?: {
    readonly running?: JsonObject;
    readonly waiting?: JsonObject;
    readonly terminated?: JsonObject;
  };
  readonly ready?: boolean;
  readonly restartCount?: number;
};

export type PodStatus = {
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly conditions?: readonly Condition[];
  readonly containerStatuses?: readonly ContainerStatus[];
  /** Kubernetes 1.37, where its gate CSIVolumeHealth is on. */
  readonly volumeHealth?: readonly JsonObject[];
};

type Base = { readonly apiVersion: string; readonly kind: string; readonly metadata: Metadata };

export type Pod = Base & { readonly spec: PodSpec; readonly status?: PodStatus };

export type Node = Base & {
  readonly spec?: { readonly taints?: readonly NodeTaint[]; readonly unschedulable?: boolean };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly volumesInUse?: readonly string[];
    readonly volumesAttached?: readonly { readonly name: string; readonly devicePath: string }[];
    readonly nodeInfo?: { readonly bootID?: string };
  };
};

export type PersistentVolume = Base & {
  readonly spec: {
    readonly accessModes?: readonly string[];
    readonly csi?: {
      readonly driver: string;
      readonly volumeHandle: string;
      readonly volumeAttributes?: Readonly<Record<string, string>>;
    };
    readonly claimRef?: {
      readonly namespace: string;
      readonly name: string;
      readonly uid?: string;
    };
    readonly nodeAffinity?: { readonly required?: NodeSelector };
  };
  readonly status?: JsonObject;
};

export type PersistentVolumeClaim = Base & {
  readonly spec: { readonly volumeName?: string; readonly accessModes?: readonly string[] };
  readonly status?: { readonly phase?: string };
};

export type VolumeAttachment = Base & {
  readonly spec: {
    readonly attacher: string;
    readonly nodeName: string;
    readonly source: { readonly persistentVolumeName?: string };
  };
  readonly status?: {
    readonly attached: boolean;
    readonly attachError?: { readonly message: string; readonly time?: string };
    readonly detachError?: { readonly message: string; readonly time?: string };
  };
};

export type CsiNode = Base & {
  readonly spec: {
    readonly drivers: readonly {
      readonly name: string;
      readonly nodeID: string;
      readonly topologyKeys?: readonly string[];
    }[];
  };
};

export type CsiDriver = Base & { readonly spec?: { readonly attachRequired?: boolean } };

export type Lease = Base & {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
};

export type PodTemplate = {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
};

export type Selector = { readonly matchLabels?: Readonly<Record<string, string>> };

export type StatefulSet = Base & {
  readonly spec: {
    readonly replicas?: number;
    readonly podManagementPolicy?: string;
    readonly selector: Selector;
    readonly template: PodTemplate;
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
};

export type ReplicaSet = Base & {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: Selector;
    readonly template: PodTemplate;
  };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
};

export type Deployment = Base & {
  readonly spec: {
    readonly replicas?: number;
    readonly strategy?: { readonly type?: string };
    readonly selector: Selector;
    readonly template: PodTemplate;
  };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
};

/** Stored, and on a real cluster acted upon; the model has no controller for it. */
export type DaemonSet = Base & {
  readonly spec: { readonly selector: Selector; readonly template: PodTemplate };
};

export type Namespace = Base & { readonly spec?: JsonObject; readonly status?: JsonObject };
export type ConfigMap = Base & { readonly data?: Readonly<Record<string, string>> };

/** Kept in the core/v1 form; the HTTP double translates for events.k8s.io/v1. */
export type CoreEvent = Base & {
  readonly involvedObject?: {
    readonly kind?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly uid?: string;
  };
  readonly reason?: string;
  readonly message?: string;
  readonly type?: string;
  readonly count?: number;
};

/** Every kind that the store holds, by its plural name in URLs. */
export type Objects = {
  pods: Pod;
  nodes: Node;
  persistentvolumes: PersistentVolume;
  persistentvolumeclaims: PersistentVolumeClaim;
  volumeattachments: VolumeAttachment;
  csinodes: CsiNode;
  csidrivers: CsiDriver;
  leases: Lease;
  namespaces: Namespace;
  configmaps: ConfigMap;
  events: CoreEvent;
  statefulsets: StatefulSet;
  deployments: Deployment;
  replicasets: ReplicaSet;
  daemonsets: DaemonSet;
};

export type ResourceName = keyof Objects;
export type AnyObject = Objects[ResourceName];

export interface ResourceKind {
  readonly resource: ResourceName;
  readonly kind: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly namespaced: boolean;
  /** The kind has a status subresource: the main resource ignores status, and the other way round. */
  readonly hasStatus: boolean;
  /** An update must carry a resourceVersion (strategy AllowUnconditionalUpdate is false). */
  readonly conditionalUpdate: boolean;
}

function kind(
  resource: ResourceName,
  kindName: string,
  group: string,
  flags: string,
): readonly [ResourceName, ResourceKind] {
  return [
    resource,
    {
      resource,
      kind: kindName,
      group,
      namespaced: flags.includes('namespaced'),
      hasStatus: flags.includes('status'),
      conditionalUpdate: flags.includes('conditional'),
    },
  ];
}

export const kinds: ReadonlyMap<ResourceName, ResourceKind> = new Map([
  kind('pods', 'Pod', '', 'namespaced status'),
  kind('nodes', 'Node', '', 'status'),
  kind('persistentvolumes', 'PersistentVolume', '', 'status'),
  kind('persistentvolumeclaims', 'PersistentVolumeClaim', '', 'namespaced status'),
  kind('volumeattachments', 'VolumeAttachment', 'storage.k8s.io', 'status conditional'),
  kind('csinodes', 'CSINode', 'storage.k8s.io', 'conditional'),
  kind('csidrivers', 'CSIDriver', 'storage.k8s.io', 'conditional'),
  kind('leases', 'Lease', 'coordination.k8s.io', 'namespaced conditional'),
  kind('namespaces', 'Namespace', '', 'status'),
  kind('configmaps', 'ConfigMap', '', 'namespaced'),
  kind('events', 'Event', '', 'namespaced'),
  kind('statefulsets', 'StatefulSet', 'apps', 'namespaced status'),
  kind('deployments', 'Deployment', 'apps', 'namespaced status'),
  kind('replicasets', 'ReplicaSet', 'apps', 'namespaced status'),
  kind('daemonsets', 'DaemonSet', 'apps', 'namespaced status'),
]);

export function kindOf(resource: ResourceName): ResourceKind {
  const found = kinds.get(resource);
  if (found === undefined) throw new Error(`no such resource: ${resource}`);
  return found;
}

export function apiVersionOf(resource: ResourceName): string {
  const { group } = kindOf(resource);
  return group === '' ? 'v1' : `${group}/v1`;
}
