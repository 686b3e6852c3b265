import type { NodeView, PodView } from '../shared/model.ts';
import type { FencedVolume, FenceRecord, PodIntent } from '../shared/record.ts';
import type { LeaseTarget } from './actions.ts';
import { hasFencedTaint } from './fenced-taint.ts';
import { takenByOthers } from './foreign-volume.ts';
import type { Situation } from './guards.ts';
import { intentOn, isTaken } from './half-moved.ts';
import { ownOutOfService } from './out-of-service.ts';
import type { NodeMemory } from './node-memory.ts';
import { kubeletOf } from './state.ts';
import { hasRecovered } from './storage-verdict.ts';
import type { Verdict } from './verdict.ts';
import { attachmentOf, holdOf, isFinished, podsOn } from './volumes.ts';

/** One failover of one node, as the cluster's objects and the verdict describe it now. */
export interface Episode {
  readonly situation: Situation;
  readonly record: FenceRecord;
  readonly heartbeat: LeaseTarget;
  readonly verdict: Verdict;
  /** Undefined: the Node object is gone. */
  readonly node: NodeView | undefined;
  readonly memory: NodeMemory;
  /** Pods on the node that carry this episode's intent, finished or not. */
  readonly members: readonly Member[];
}

export interface Member {
  readonly pod: PodView;
  readonly intent: PodIntent;
}

/** Pods bound to the node whose intent quotes the epoch and their own uid. */
export function membersOf(situation: Situation, epoch: string): readonly Member[] {
  const { state, nodeName } = situation;
  return podsOn(state, nodeName).flatMap((pod) => {
    const intent = intentOn(state, pod);
    return intent?.epoch === epoch ? [{ pod, intent }] : [];
  });
}

/**
 * Whether the hold on this volume has been begun. The hold's first write is our finalizer, so
 * this can be read from the cluster by whoever leads next.
 */
export function isSent({ situation }: Episode, volume: FencedVolume): boolean {
  return isTaken(situation.state, situation.nodeName, volume);
}

/**
 * From the first fence call on an episode is finished, also one of the instance beside another
 * driver of a pod: both have to end what one has begun. Before that it may be withdrawn.
 */
export function isCommitted(episode: Episode): boolean {
  const { record, members, situation } = episode;
  return (
    record.phase !== 'Intent' ||
    record.volumes.some((volume) => isSent(episode, volume)) ||
    members.some(({ pod }) => !isFinished(pod) && takenByOthers(situation.state, pod).length > 0)
  );
}

export function hasOwnTaint({ node, situation }: Episode): boolean {
  return hasFencedTaint(node, situation.state.policy.driver);
}

/** It stands by our view, or we have set it and our view does not show that yet. */
export function hasOutOfService({ node, situation, memory }: Episode): boolean {
  if (node === undefined) return false;
  const seen = ownOutOfService(node, situation.state.policy.driver);
  return seen !== undefined || memory.outOfServiceSetAt !== undefined;
}

/**
 * The node lives and can use its volumes, by a verdict and by a renewal of its kubelet since we saw
 * the record: a gap in our own view alone makes every node Alive for a while.
 */
export function isBack({ situation, verdict, memory, record }: Episode): boolean {
  const { state, nodeName, now } = situation;
  const kubelet = kubeletOf(state, nodeName);
  const renewed = (kubelet?.renewals ?? 0) > 0 && (kubelet?.renewedAt ?? 0) > memory.recordSeenAt;
  if (!renewed || !['Alive', 'AgentDown', 'DriverDown'].includes(verdict.kind)) return false;
  return !isOfStorage(record) || hasRecovered(state, nodeName, handlesOf(record), now);
}

/** It was begun on a node that lives, because that cannot use volumes any more. */
export function isOfStorage({ reason }: FenceRecord): boolean {
  return reason.startsWith('StorageLost');
}

function handlesOf({ volumes }: FenceRecord): readonly string[] {
  return volumes.map(({ handle }) => handle);
}

/** Never taken away, on a node that lives again: no part of the episode any more. */
export function isUntouched(episode: Episode, volume: FencedVolume): boolean {
  const { state, nodeName } = episode.situation;
  const attachment = attachmentOf(state, nodeName, volume.pv);
  return attachment !== undefined && holdOf(attachment) === 'free' && isBack(episode);
}

/** A predecessor's last CSI call may still run inside the driver, which knows no token. */
export function lockedUntil({ state, now }: Situation): number | undefined {
  const until = state.leadingSince + state.policy.timeoutMs;
  return now < until ? until : undefined;
}
