import type { KeyedAction } from '../shared/mode.ts';
import type { FencedVolume, FenceRecord, PodIntent } from '../shared/record.ts';

/** A pod, by name and by the uid without which nothing is ever done to it. */
export interface PodTarget {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface AttachmentTarget {
  readonly name: string;
  readonly uid: string;
}

/**
 * A VolumeAttachment as we decided upon it. A write over exactly this version needs no read before
 * it: whatever has changed since then makes it fail, and we look again.
 */
export interface SeenAttachment extends AttachmentTarget {
  readonly resourceVersion: string;
  readonly finalizers: readonly string[];
  /** The one that it was published with, as far as the attacher has noted it. */
  readonly nodeId: string;
}

/** A condition of a Node, without its times. */
export interface NodeCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** A Lease as it was when we decided; '' as resourceVersion: there was none. */
export interface LeaseTarget {
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
}

/**
 * Everything this mode can do to the world. Each one is idempotent and carries its precondition.
 */
export type Action = KeyedAction & { readonly node: string } & (
    | {
        readonly kind: 'BeginEpisode';
        readonly driver: string;
        readonly heartbeat: LeaseTarget;
        /**
         * renewTime of the kubelet's Lease as observed ('' = no Lease); any other one ends the
         * attempt. Undefined when no silence is claimed: an episode is adopted.
         */
        readonly kubeletRenewTime: string | undefined;
        /**
         * What a heartbeat that was renewed since then has to say. Absent: nothing would do, its
         * silence is the evidence.
         */
        readonly renewed?: 'anything' | 'kubelet-dead' | 'storage-lost';
        /** Volumes, by handle, that it has to report still; for `storage-lost`. */
        readonly troubled?: readonly string[];
        /** Node uid; '' when the verdict says that the Node object is gone. */
        readonly nodeUid: string;
        readonly reason: string;
        readonly bootId: string;
        readonly phase: FenceRecord['phase'];
        readonly volumes: readonly FencedVolume[];
        /** Uids of those that it is for; absent where nobody saw them. */
        readonly pods?: readonly string[];
        /** What is adopted, and must stand by a consistent read: holds, or else our taint. */
        readonly adopts?: { readonly holds: readonly AttachmentTarget[]; readonly taint: string };
      }
    /** Writes another phase or a longer list of volumes into the record of this epoch. */
    | {
        readonly kind: 'UpdateRecord';
        readonly heartbeat: LeaseTarget;
        readonly record: FenceRecord;
        /** The record that this was decided upon; over any other one nothing is written. */
        readonly from: FenceRecord;
        /** VolumeAttachments on which, by a consistent read, there must be no hold of ours. */
        readonly unheld?: readonly AttachmentTarget[];
      }
    /** Only when, by a consistent read, no taint of ours is left on the node. */
    | {
        readonly kind: 'RemoveRecord';
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
        readonly taint: string;
      }
    | {
        readonly kind: 'MarkPod';
        readonly pod: PodTarget;
        readonly heartbeat: LeaseTarget;
        readonly intent: PodIntent;
        /** As of an `Evict`, where the mark says that the volumes are fenced. */
        readonly nodeIds?: readonly string[];
      }
    /** Takes the intent of this epoch off, unless its record stands by a consistent read. */
    | {
        readonly kind: 'UnmarkPod';
        readonly pod: PodTarget;
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
      }
    /** Adds and removes taints of ours; others are carried over as they are. */
    | {
        readonly kind: 'SetTaint' | 'ClearTaint';
        readonly nodeUid: string;
        readonly taint: { readonly key: string; readonly value: string };
        /** The record that must still stand when this taint is set; a `ClearTaint` needs none. */
        readonly record?: { readonly heartbeat: LeaseTarget; readonly epoch: string };
      }
    | {
        readonly kind: 'Hold';
        /** The attacher has no finalizer on it and needs none. */
        readonly bare?: boolean;
        readonly attachment: SeenAttachment;
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
      }
    /** Takes a hold back that never got as far as the deletion, on a node that lives. */
    | {
        readonly kind: 'UndoHold';
        readonly attachment: AttachmentTarget;
        readonly heartbeat: LeaseTarget;
        readonly pv: string;
      }
    /** Asks the driver whether the node is off the published nodes of these volumes. */
    | {
        readonly kind: 'VerifyRevoked';
        readonly epoch: string;
        /** Under which the nodes of this driver go by now. */
        readonly knownNodeIds: ReadonlySet<string>;
        /** `uid` of the VolumeAttachment that was held. */
        readonly volumes: readonly {
          readonly handle: string;
          readonly nodeId: string;
          readonly uid: string;
        }[];
      }
    /** Writes a condition of ours into the status of a Node. */
    | {
        readonly kind: 'SetCondition';
        readonly nodeUid: string;
        readonly condition: NodeCondition;
      }
    /** Asks the storage whether this volume, which a node cannot use, is well. */
    | { readonly kind: 'ConfirmHealth'; readonly handle: string }
    /**
     * Ends a pod whose kubelet works, with its own grace or `graceMs`, whichever is shorter.
     * `troubled`: one of these volumes must still be reported bad, if there are any.
     */
    | {
        readonly kind: 'EndPod';
        readonly pod: PodTarget;
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
        readonly graceMs: number;
        readonly troubled: readonly string[];
      }
    | {
        readonly kind: 'Evict';
        readonly pod: PodTarget;
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
        /** What it rests on: the confirmed holds on the pod's volumes, of all drivers. */
        readonly holds: readonly AttachmentTarget[];
        /** And ids of the node: by a consistent read, CSINode names no other one of this driver. */
        readonly nodeIds: readonly string[];
      }
    | {
        readonly kind: 'DropHold';
        readonly attachment: SeenAttachment;
        readonly heartbeat: LeaseTarget;
        readonly epoch: string;
      }
  );

export type ActionKind = Action['kind'];
export type ActionOf<Kind extends ActionKind> = Action & { readonly kind: Kind };

/**
 * What goes first where actions wait for a place or for the rate limit: what is about the whole
 * node, which all others of it wait for. Then what ends something before what begins more: the
 * volume whose pod is gone before the next eviction, and that before the next hold.
 */
const ranks: Readonly<Record<ActionKind, number>> = {
  ClearTaint: 0,
  BeginEpisode: 0,
  UpdateRecord: 0,
  RemoveRecord: 0,
  SetTaint: 0,
  VerifyRevoked: 0,
  DropHold: 1,
  Evict: 2,
  EndPod: 3,
  Hold: 3,
  UndoHold: 3,
  MarkPod: 3,
  SetCondition: 4,
  ConfirmHealth: 4,
  UnmarkPod: 4,
};

type Fields<Kind extends ActionKind> = Omit<ActionOf<Kind>, 'kind' | keyof KeyedAction>;

/**
 * Makes an action. `identity` is what makes it another action than the last one of its kind: an
 * epoch, a uid. The queue holds a done key until it is no longer wanted, so a new need must have
 * a new key. All actions of a node are one scope; the exclusive ones wait for the others.
 */
export function action<Kind extends ActionKind>(
  kind: Kind,
  identity: string,
  fields: Fields<Kind>,
  exclusive = false,
): Action {
  const { node } = fields as unknown as { node: string };
  return {
    kind,
    key: `${kind}/${node}/${identity}`,
    scope: node,
    exclusive,
    rank: ranks[kind],
    ...fields,
  } as unknown as Action;
}
