import type { Instant } from '../shared/clock.ts';
import type {
  AttachmentView,
  ClaimView,
  CsiDriverView,
  CsiNodeView,
  NodeView,
  PodView,
  PvView,
  SwitchView,
} from '../shared/model.ts';
import { leaderLease } from '../shared/names.ts';
import {
  type Condition,
  type KubeletWord,
  type StorageView,
  emptyStorageView,
} from './evidence.ts';
import { type DriverCapabilities, type SourceName, sourceNames } from './facts.ts';
import { type NodeMemory, emptyMemory } from './node-memory.ts';
import type { PodVolumes } from './pod-volumes.ts';
import type { Policy } from './policy.ts';
import type { Refusal } from './refusal.ts';
import type { SeenLease } from './seen-lease.ts';

/** How far one watched collection can be believed. */
export interface SourceState {
  synced: boolean;
  lost: boolean;
  /** Since when our view is without a gap: no silence can be older than this. */
  freshSince: Instant;
  /** When the stream last showed life. */
  aliveAt: Instant;
}

export interface State {
  readonly policy: Policy;
  /** The name of the Lease by which one of us leads. */
  readonly leaderLease: string;
  readonly sources: Record<SourceName, SourceState>;
  readonly nodes: Map<string, NodeView>;
  readonly pods: Map<string, PodView>;
  readonly podsByNode: Map<string, Map<string, PodView>>;
  readonly podsByClaim: Map<string, Map<string, PodView>>;
  /** By pod what its claims come to; undefined until somebody asks, and again when one changes. */
  readonly podVolumes: Map<PodView, PodVolumes | undefined>;
  /** Pods that carry an intent of our driver. */
  readonly markedPods: Map<string, PodView>;
  readonly claims: Map<string, ClaimView>;
  readonly claimsByPv: Map<string, Map<string, ClaimView>>;
  readonly pvs: Map<string, PvView>;
  /** By driver and handle the PVs of that volume: more than one if it was bound twice by hand. */
  readonly pvsByVolume: Map<string, Map<string, PvView>>;
  readonly attachments: Map<string, AttachmentView>;
  readonly attachmentsByNode: Map<string, Map<string, AttachmentView>>;
  /** Those of them that carry our finalizer. */
  readonly holdsByNode: Map<string, Map<string, AttachmentView>>;
  readonly csinodes: Map<string, CsiNodeView>;
  readonly csidrivers: Map<string, CsiDriverView>;
  readonly namespaces: Map<string, SwitchView>;
  readonly configmaps: Map<string, SwitchView>;
  readonly kubeletLeases: Map<string, SeenLease>;
  readonly heartbeats: Map<string, SeenLease>;
  readonly memory: Map<string, NodeMemory>;
  /** By pod uid, since when we see that it is being deleted. */
  readonly deletingSince: Map<string, Instant>;
  /** By pod uid how our last change to it failed, for what people are told. */
  readonly refusals: Map<string, Refusal>;
  /** When we last saw anybody renew a heartbeat, or the leader its own Lease. */
  renewalSeenAt: Instant | undefined;
  /** When somebody last came back, and we looked how many were silent. */
  returnSeenAt: Instant;
  leading: boolean;
  leadingSince: Instant;
  /** Our oldest acknowledged renewal that the watch has not shown yet. */
  pendingRenewal: { readonly resourceVersion: number; readonly at: Instant } | undefined;
  highestRenewal: number;
  /** The version of our Lease that the watch had shown when an older renewal was acknowledged. */
  shownAhead: number;
  capabilities: DriverCapabilities | undefined;
  readonly storage: StorageView;
  /** By pod and claim what kubelets say of volumes. */
  readonly kubeletWords: Map<string, ReadonlyMap<string, KubeletWord>>;
  /** By handle what people are told of the storage's view. */
  readonly conditions: Map<string, Condition>;
  /** Nodes that carry the driver; that report bad volumes; that can tell of few; that see good. */
  readonly carriers: Set<string>;
  readonly troubledNodes: Set<string>;
  readonly unsureNodes: Set<string>;
  /** When more nodes than the storm bound last had trouble at once, or could not tell. */
  crowdedAt: Instant;
  readonly seeingNodes: Set<string>;
}

export function initialState(policy: Policy, now: Instant): State {
  const source = (): SourceState => ({ synced: false, lost: false, freshSince: now, aliveAt: now });
  return {
    policy,
    leaderLease: leaderLease(policy.driver),
    sources: Object.fromEntries(sourceNames.map((name) => [name, source()])) as State['sources'],
    nodes: new Map(),
    pods: new Map(),
    podsByNode: new Map(),
    podsByClaim: new Map(),
    podVolumes: new Map(),
    markedPods: new Map(),
    claims: new Map(),
    claimsByPv: new Map(),
    pvs: new Map(),
    pvsByVolume: new Map(),
    attachments: new Map(),
    attachmentsByNode: new Map(),
    holdsByNode: new Map(),
    csinodes: new Map(),
    csidrivers: new Map(),
    namespaces: new Map(),
    configmaps: new Map(),
    kubeletLeases: new Map(),
    heartbeats: new Map(),
    memory: new Map(),
    deletingSince: new Map(),
    refusals: new Map(),
    renewalSeenAt: undefined,
    returnSeenAt: Number.NEGATIVE_INFINITY,
    leading: false,
    leadingSince: now,
    pendingRenewal: undefined,
    highestRenewal: 0,
    shownAhead: 0,
    capabilities: undefined,
    storage: emptyStorageView(),
    kubeletWords: new Map(),
    conditions: new Map(),
    carriers: new Set(),
    troubledNodes: new Set(),
    unsureNodes: new Set(),
    crowdedAt: Number.NEGATIVE_INFINITY,
    seeingNodes: new Set(),
  };
}

/** What a pod and its replacement have in common: the name in a StatefulSet, else the owner. */
export function groupOf({ namespace, name, owner }: PodView): string {
  const named = owner === undefined || owner.kind === 'StatefulSet';
  return named ? `${namespace}/${name}` : owner.uid;
}

/** The heartbeat Lease of a node, as far as we have seen one. */
export function heartbeatOf(state: State, node: string): SeenLease | undefined {
  return state.heartbeats.get(memoryOf(state, node).heartbeatKey);
}

/** The Lease that the node's kubelet renews, as far as we have seen one. */
export function kubeletOf(state: State, node: string): SeenLease | undefined {
  return state.kubeletLeases.get(memoryOf(state, node).kubeletKey);
}

export function memoryOf(state: State, node: string): NodeMemory {
  let memory = state.memory.get(node);
  if (memory === undefined) {
    memory = emptyMemory(state.policy, node);
    state.memory.set(node, memory);
  }
  return memory;
}
