import type { Instant } from '../shared/clock.ts';
import { heartbeatLease } from '../shared/names.ts';
import type { NodeReport } from '../shared/record.ts';
import type { Trouble } from './evidence.ts';
import type { Policy } from './policy.ts';
import type { NodeRefusal } from './refusal.ts';

/** What we remember of a node beyond what the cluster's objects say; forgetting it only delays. */
export interface NodeMemory {
  /** Where the node's heartbeat stands in `heartbeats`, and its kubelet's in `kubeletLeases`. */
  readonly heartbeatKey: string;
  readonly kubeletKey: string;
  /** Earlier boot ids of the heartbeat; one that comes back means two machines of one name. */
  readonly pastBootIds: Set<string>;
  bootId: string;
  /** When the Lease of its agent, or its kubelet's, was deleted: before that nobody missed it. */
  heartbeatGoneAt: Instant;
  kubeletGoneAt: Instant;
  duplicateSeenAt: Instant | undefined;
  driverBadSince: Instant | undefined;
  /** Since when we see that its Ready condition is False. */
  notReadySince: Instant | undefined;
  /** Since when its agent has been heard without a gap: what it says after one may be old. */
  heardSince: Instant;
  /** What the agent last reported, and had folded into the rest. */
  report: NodeReport | undefined;
  /** By handle what the agent reports, or lately reported, to be wrong with a volume. */
  readonly troubles: Map<string, Trouble>;
  /** The same for the node's whole way to the storage: the driver says that it is gone. */
  storage: Trouble | undefined;
  /** The same, told from the number of volumes that are bad at once. */
  most: Trouble | undefined;
  /** By PV that pods of an episode have left in trouble: when it should be off the node. */
  readonly unmountDueAt: Map<string, Instant>;
  /** By unique volume name when the last pod left it, and what attach/detach let go of since. */
  readonly leftAt: Map<string, Instant>;
  readonly letGo: Set<string>;
  /** Our out-of-service taint: since when we see it, and since when it is gone again. */
  outOfServiceSeenAt: Instant | undefined;
  outOfServiceGoneAt: Instant | undefined;
  /** When we have set it, as long as our view does not show it: its watch may be late. */
  outOfServiceSetAt: Instant | undefined;
  /** While it stood, or stands, attach/detach let go of a volume. */
  outOfServiceHelped: boolean;
  /** What came last of a change of ours to its record or its taint, if it was in vain. */
  refusal: NodeRefusal | undefined;
  /** When we asked for its episode, as long as we do not see the record. */
  begunAt: Instant | undefined;
  /** When we first saw the record of `recordEpoch`. */
  recordEpoch: string;
  recordSeenAt: Instant;
  recordPhase: string;
  recordSize: number;
  /** Uids of pods that used the volumes on other nodes already: nobody moves those. */
  readonly bystanders: Set<string>;
  /** When a failover of this node was last completed. */
  movedAt: Instant | undefined;
  /** Uids of VolumeAttachments whose revocation the driver's own listing confirmed. */
  readonly revoked: Set<string>;
  /** By the same uids the code of the last answer that did not confirm it, for what people read. */
  readonly unrevoked: Map<string, string>;
  /** Per group of pods, the uids that joined the current episode: before the fence, and later. */
  readonly joined: Map<string, { readonly first: Set<string>; readonly later: Set<string> }>;
}

/** Of a node of which nothing has been seen yet. */
export function emptyMemory({ namespace, driver }: Policy, node: string): NodeMemory {
  return {
    heartbeatKey: `${namespace}/${heartbeatLease(driver, node)}`,
    kubeletKey: `kube-node-lease/${node}`,
    pastBootIds: new Set(),
    bootId: '',
    heartbeatGoneAt: Number.NEGATIVE_INFINITY,
    kubeletGoneAt: Number.NEGATIVE_INFINITY,
    duplicateSeenAt: undefined,
    driverBadSince: undefined,
    notReadySince: undefined,
    heardSince: 0,
    report: undefined,
    troubles: new Map(),
    storage: undefined,
    most: undefined,
    unmountDueAt: new Map(),
    leftAt: new Map(),
    letGo: new Set(),
    outOfServiceSeenAt: undefined,
    outOfServiceGoneAt: undefined,
    outOfServiceSetAt: undefined,
    outOfServiceHelped: false,
    refusal: undefined,
    begunAt: undefined,
    recordEpoch: '',
    recordSeenAt: 0,
    recordPhase: '',
    recordSize: 0,
    bystanders: new Set(),
    movedAt: undefined,
    revoked: new Set(),
    unrevoked: new Map(),
    joined: new Map(),
  };
}
