/** What the kubelet sees, what its machine has, and what it may do next. Plain data. */
import type { JsonObject } from '../../src/shared/effect.ts';
import type { CsiVolume } from './csi-volumes.ts';
import type { CsiNode, Lease, Node, Pod, VolumeAttachment } from './objects.ts';

/** A volume as the machine knows it, with or without the API: what vol_data.json keeps. */
export interface VolumeOnMachine {
  readonly driver: string;
  readonly handle: string;
}

/** A pod bound to this node. */
export interface KubeletPod {
  readonly pod: Pod;
  /** Undefined while a claim or PersistentVolume of the pod could not be read. */
  readonly volumes: readonly CsiVolume[] | undefined;
}

export interface Workload {
  readonly podUid: string;
  readonly state: 'running' | 'succeeded' | 'failed';
}

/** What is on the machine, kubelet running or not: a restarted kubelet finds it there again. */
export interface MachineState {
  readonly staged: readonly VolumeOnMachine[];
  readonly published: readonly (VolumeOnMachine & { readonly podUid: string })[];
  readonly workloads: readonly Workload[];
}

/** What the kubelet process itself remembers; gone with the process. */
export interface KubeletMemory {
  /** It registers its Node once per start, and never again when somebody deletes the object. */
  readonly registered: boolean;
  readonly leaseRenewedAt: number | undefined;
  readonly statusPostedAt: number | undefined;
}

export interface KubeletView {
  readonly nodeName: string;
  readonly bootId: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Those that have registered with it. */
  readonly drivers: readonly { readonly name: string; readonly nodeId: string }[];
  /** Whose plugins were seen to come or to go, where that is looked at. */
  readonly plugins?: ReadonlyMap<string, 'here' | 'gone'>;
  /** What it would report about itself; default true. */
  readonly ready?: boolean;
  /** Its machine is about to go off: it says so, and then ends all pods (nodeshutdown). */
  readonly shuttingDown?: boolean;
  /** It has read its pods since it started: before that, it neither kills nor unmounts. */
  readonly synced: boolean;
  readonly node: Node | undefined;
  readonly csiNode: CsiNode | undefined;
  readonly lease: Lease | undefined;
  readonly pods: readonly KubeletPod[];
  /** VolumeAttachments of this node. */
  readonly attachments: readonly VolumeAttachment[];
  readonly machine: MachineState;
  readonly memory: KubeletMemory;
  /** The time of day in the API's two forms (metav1.Time, metav1.MicroTime). */
  readonly timestamp: string;
  readonly microTimestamp: string;
}

export interface KubeletSettings {
  readonly leaseDurationSeconds: number;
  readonly leaseRenewIntervalMs: number;
  /** How often a changed condition may be posted. */
  readonly statusIntervalMs: number;
  /** How often the status is posted though nothing changed. */
  readonly statusReportMs: number;
}

export const kubeletDefaults: KubeletSettings = {
  leaseDurationSeconds: 40,
  leaseRenewIntervalMs: 10_000,
  statusIntervalMs: 10_000,
  statusReportMs: 300_000,
};

/**
 * One action per key may run at a time: whoever carries actions out skips those whose key is busy.
 * All actions on one volume share a key. Everything may be repeated; failures just come again.
 */
export type KubeletAction = { readonly key: string } & (
  | { readonly kind: 'createNode'; readonly object: JsonObject }
  | { readonly kind: 'createCsiNode'; readonly object: JsonObject }
  /** With the resourceVersion that it was read with. */
  | { readonly kind: 'updateCsiNode'; readonly object: CsiNode }
  | { readonly kind: 'createLease'; readonly object: JsonObject }
  /** A merge patch on the Lease `kube-node-lease/<node>`. */
  | { readonly kind: 'renewLease'; readonly body: JsonObject }
  /** A merge patch on nodes/status. */
  | { readonly kind: 'patchNodeStatus'; readonly body: JsonObject }
  /** A merge patch on pods/status, with the uid as precondition in its body. */
  | { readonly kind: 'patchPodStatus'; readonly pod: Pod; readonly body: JsonObject }
  /** DELETE with grace 0 and the uid as precondition: the kubelet's "it is over". */
  | { readonly kind: 'deletePod'; readonly pod: Pod }
  | { readonly kind: 'stage'; readonly volume: CsiVolume }
  | { readonly kind: 'publish'; readonly volume: CsiVolume; readonly pod: Pod }
  | {
      readonly kind: 'unpublish';
      readonly volume: VolumeOnMachine;
      readonly podUid: string;
    }
  | { readonly kind: 'unstage'; readonly volume: VolumeOnMachine }
  | {
      readonly kind: 'startWorkload';
      readonly pod: Pod;
      readonly volumes: readonly CsiVolume[];
    }
  | {
      readonly kind: 'stopWorkload';
      readonly podUid: string;
      /** SIGTERM now, SIGKILL after this. */
      readonly graceSeconds: number;
    }
);
