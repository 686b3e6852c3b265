/**
 * The few fields of Kubernetes objects that we read, as plain data. `shared/kubernetes/convert.ts`
 * is the only place that makes them from API objects; everything behind it sees only these.
 */
import type { VolumeHealth } from './health.ts';

/**
 * What every view carries. `uid` tells two objects of one name apart; `resourceVersion` is opaque.
 */
export interface ObjectView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

export interface NodeView extends ObjectView {
  readonly kind: 'node';
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly unschedulable: boolean;
  readonly deleting: boolean;
  readonly taints: readonly Taint[];
  readonly labels: Readonly<Record<string, string>>;
  /** Ours only: every annotation whose key starts with `csi-failover.io/`. */
  readonly annotations: Readonly<Record<string, string>>;
  /** status.nodeInfo.bootID; empty if the kubelet never reported one. */
  readonly bootId: string;
  /** Unique volume names, `kubernetes.io/csi/<driver>^<handle>` for CSI. */
  readonly volumesInUse: readonly string[];
  readonly volumesAttached: readonly string[];
  /** Ours only, by type `storage.csi-failover.io/…`: status and reason, with a blank between. */
  readonly conditions?: Readonly<Record<string, string>>;
}

export interface Toleration {
  readonly key: string;
  readonly operator: string;
  readonly value: string;
  readonly effect: string;
}

/** One requirement of a node selector term; `field` is true for matchFields. */
export interface NodeRequirement {
  readonly field: boolean;
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

/** Terms are ORed, the requirements of a term are ANDed (core/v1 NodeSelector). */
export type NodeSelectorTerms = readonly (readonly NodeRequirement[])[];

/** A volume of a pod that keeps data outside of the pod or the node. */
export type PodVolume =
  | {
      readonly kind: 'claim';
      readonly name: string;
      readonly claim: string;
      readonly readOnly: boolean;
      /** What the kubelet says of it (status.volumeHealth), if that is adverse. */
      readonly adverse?: VolumeHealth;
    }
  /** Inline CSI, NFS, iSCSI, other in-tree kinds: nothing that we could fence. */
  | {
      readonly kind: 'foreign';
      readonly name: string;
      readonly source: string;
      readonly readOnly: boolean;
    };

export interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodView extends ObjectView {
  readonly kind: 'pod';
  /** Empty while the pod is not bound. */
  readonly nodeName: string;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** The controller owner (ownerReferences[controller=true]), if any. */
  readonly owner: Owner | undefined;
  /** Whether a `--pod-selector` selects it. */
  readonly selected: boolean;
  /** Ours only: keys `csi-failover.io/…` and `intent.csi-failover.io/…`. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Annotation kubernetes.io/config.mirror is there, or the owner is the Node. */
  readonly mirror: boolean;
  readonly restartPolicy: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** requiredDuringSchedulingIgnoredDuringExecution; undefined: no such affinity. */
  readonly nodeAffinity: NodeSelectorTerms | undefined;
  readonly tolerations: readonly Toleration[];
  /** emptyDir, configMap, secret, projected, downwardAPI, image and hostPath are left out. */
  readonly volumes: readonly PodVolume[];
}

export interface ClaimView extends ObjectView {
  readonly kind: 'claim';
  /** spec.volumeName; empty while unbound. */
  readonly pv: string;
  /** status.healthStatus, where somebody writes it. */
  readonly health?: VolumeHealth;
}

export interface PvView extends ObjectView {
  readonly kind: 'pv';
  /** CSI driver name; empty for other kinds of volume. */
  readonly driver: string;
  readonly handle: string;
  readonly claimNamespace: string;
  readonly claimName: string;
  readonly claimUid: string;
  /** Several nodes may have it at a time: RWX or ROX among its modes, or none at all. */
  readonly shared: boolean;
  readonly nodeAffinity: NodeSelectorTerms | undefined;
}

export interface AttachmentView extends ObjectView {
  readonly kind: 'attachment';
  /** spec.attacher: the CSI driver's name. */
  readonly driver: string;
  /** spec.source.persistentVolumeName; empty for inline volumes. */
  readonly pv: string;
  readonly nodeName: string;
  readonly attached: boolean;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** Annotation csi.alpha.kubernetes.io/node-id: the id it was published with. */
  readonly nodeId: string;
  /** status.detachError.message, for people. */
  readonly detachError: string;
}

export interface CsiNodeView extends ObjectView {
  readonly kind: 'csinode';
  /** CSI driver name to node id. */
  readonly nodeIds: Readonly<Record<string, string>>;
  /** CSI drivers whose storage the kubelet calls unreachable (status.storageHealth). */
  readonly unreachable?: readonly string[];
}

/** Any Lease: the kubelet's, an agent's heartbeat, the leader's. */
export interface LeaseView extends ObjectView {
  readonly kind: 'lease';
  readonly holder: string;
  /** spec.renewTime as written: only ever compared for "did it change". */
  readonly renewTime: string;
  readonly durationMs: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Ours only: `csi-failover.io/…`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Namespaces and our ConfigMap, for what people said: pause, dry-run, storm override. */
export interface SwitchView extends ObjectView {
  readonly kind: 'namespace' | 'configmap';
  /** Annotations `csi-failover.io/…` of a namespace; the data of the ConfigMap. */
  readonly values: Readonly<Record<string, string>>;
}

export interface CsiDriverView extends ObjectView {
  readonly kind: 'csidriver';
  readonly attachRequired: boolean;
}

export type View =
  | NodeView
  | PodView
  | ClaimView
  | PvView
  | AttachmentView
  | CsiNodeView
  | LeaseView
  | SwitchView
  | CsiDriverView;

/** `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOf(object: { readonly namespace: string; readonly name: string }): string {
  return object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
}

/**
 * How kubelet and attach/detach name a CSI volume in node status (pkg/volume/util:
 * GetUniqueVolumeName).
 */
export function uniqueVolumeName(driver: string, handle: string): string {
  return `kubernetes.io/csi/${driver}^${handle}`;
}
