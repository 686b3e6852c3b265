import { adopted } from '../shared/adopted.ts';
import type { PodView } from '../shared/model.ts';
import { fencedTaint } from '../shared/names.ts';
import type { FencedVolume, FenceRecord } from '../shared/record.ts';
import { type ActionOf, type LeaseTarget, action } from './actions.ts';
import { candidatesFor, candidatesOn, proven } from './confirm.ts';
import { hasFencedTaint } from './fenced-taint.ts';
import { takenByOthers } from './foreign-volume.ts';
import { type Situation, guards, movable } from './guards.ts';
import { isHalfMoved } from './half-moved.ts';
import { hold } from './hold.ts';
import { podNotMoved } from './notices.ts';
import { refusedHold } from './refusal.ts';
import { type State, heartbeatOf, kubeletOf, memoryOf } from './state.ts';
import { unfenceable } from './unfenceable.ts';
import { type Verdict, isDead } from './verdict.ts';
import {
  claimedVolumes,
  holdOf,
  holdsOn,
  isFinished,
  ourVolumes,
  podsOn,
  takenFrom,
} from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** A node has failed: begins an episode for the pods that may move, and says why others may not. */
export function begin(situation: Situation, verdict: Verdict, wanted: Wanted): void {
  const { state, nodeName } = situation;
  const candidates = candidatesFor(state, nodeName, verdict);
  const { pods: allowed, holds } = movable(situation, candidates, new Set());
  const incident = incidentOf(state, nodeName, verdict, undefined);
  for (const pod of podsOn(state, nodeName)) {
    const why = holds.get(pod.uid) ?? (isDead(verdict) ? noVolume(state, pod) : undefined);
    if (why === undefined) continue;
    if (why.until !== undefined) wanted.wakeAt.push(why.until);
    wanted.notices.push(podNotMoved({ situation, verdict, incident }, pod, why));
  }
  const pods = proven(situation, verdict, allowed, wanted);
  if (pods.length === 0) return;
  const refused = refusedHold(memoryOf(state, nodeName).refusal, 'BeginEpisode', situation.now);
  if (refused !== undefined) {
    const failure = { situation, verdict, incident };
    wanted.notices.push(...pods.map((pod) => podNotMoved(failure, pod, refused)));
  }
  const volumes = new Map(pods.flatMap((pod) => ourVolumes(state, pod)).map((v) => [v.pv, v]));
  pushBegin(situation, wanted, {
    ...evidenceOf(state, nodeName, verdict, [...volumes.values()]),
    reason: `${verdict.kind}: ${verdict.reason}`,
    phase: 'Intent',
    volumes: [...volumes.values()],
    pods: pods.map(({ uid }) => uid),
  });
}

/** Where the agent lives it renews all the time, and only what it says can end the attempt. */
function evidenceOf(
  state: State,
  nodeName: string,
  { kind, handles }: Verdict,
  volumes: readonly FencedVolume[],
): Pick<ActionOf<'BeginEpisode'>, 'kubeletRenewTime' | 'renewed' | 'troubled'> {
  if (kind === 'StorageLost') {
    const lost = volumes.map(({ handle }) => handle).filter((handle) => handles?.has(handle));
    return { kubeletRenewTime: undefined, renewed: 'storage-lost', troubled: lost };
  }
  const kubeletRenewTime = kubeletOf(state, nodeName)?.view.renewTime ?? '';
  if (kind === 'Gone') return { kubeletRenewTime, renewed: 'anything' };
  return kind === 'KubeletDead'
    ? { kubeletRenewTime, renewed: 'kubelet-dead' }
    : { kubeletRenewTime };
}

/** A labelled pod that has nothing to fence is not ours to move; said once, not kept silent. */
function noVolume(state: State, pod: PodView): ReturnType<typeof hold> | undefined {
  if (!pod.selected || isFinished(pod) || claimedVolumes(state, pod).length > 0) return undefined;
  return hold(
    'not-movable',
    pod.mirror
      ? 'it is a static pod of this node'
      : `it has no volume of driver ${state.policy.driver}`,
  );
}

/**
 * A hold or a taint of ours without a record: somebody removed the record, or a hold arrived late.
 * A hold has taken the volume away, so the episode is finished; a taint alone means that the node
 * is fenced for all volumes of the driver until it is proven clean.
 */
export function adopt(situation: Situation, wanted: Wanted): boolean {
  const { state, nodeName } = situation;
  const { driver } = state.policy;
  const taint = fencedTaint(driver);
  const holds = holdsOn(state, nodeName).map(({ name, uid }) => ({ name, uid }));
  const tainted = hasFencedTaint(state.nodes.get(nodeName), driver);
  if (holds.length === 0 && !tainted) return false;
  pushBegin(situation, wanted, {
    kubeletRenewTime: undefined,
    renewed: 'anything',
    reason: adopted,
    phase: holds.length > 0 ? 'Fenced' : 'Moved',
    volumes: takenFrom(state, nodeName),
    adopts: { holds, taint },
  });
  return true;
}

/**
 * The instance beside another driver has taken a volume of a pod away, and we had just taken our
 * intent back, or never had one, or somebody took its record: the pod cannot stay with one half of
 * its volumes. Answers whether there is such a pod.
 */
export function follow(situation: Situation, wanted: Wanted): boolean {
  const { state, nodeName } = situation;
  if (!state.holdsByNode.has(nodeName)) return false;
  // What is taken away of this driver may be no fence at all; then the pod waits, and is told so.
  if (unfenceable(state, false) !== undefined) return false;
  const marked = podsOn(state, nodeName).filter((pod) => isHalfMoved(state, pod));
  const pods = [...new Set([...candidatesOn(state, nodeName), ...marked])].filter(
    (pod) => guards.paused?.(situation, pod) === undefined,
  );
  const taken = pods.map((pod) => ({ pod, by: takenByOthers(state, pod) }));
  const holds = taken.flatMap(({ by }) => by).filter((one) => holdOf(one) !== 'begun');
  const [first] = holds;
  if (first === undefined) return false;
  const losers = taken.filter(({ by }) => by.some((one) => holds.includes(one)));
  const volumes = new Map(
    losers.flatMap(({ pod }) => ourVolumes(state, pod)).map((v) => [v.pv, v]),
  );
  pushBegin(situation, wanted, {
    kubeletRenewTime: undefined,
    renewed: 'anything',
    reason: `followed: driver ${first.driver} has taken its volume away`,
    phase: 'Intent',
    volumes: [...volumes.values()],
    pods: losers.map(({ pod }) => pod.uid),
    adopts: { holds: holds.map(({ name, uid }) => ({ name, uid })), taint: '' },
  });
  return true;
}

function pushBegin(
  { state, nodeName }: Situation,
  wanted: Wanted,
  fields: Pick<
    ActionOf<'BeginEpisode'>,
    'kubeletRenewTime' | 'renewed' | 'troubled' | 'reason' | 'phase' | 'volumes' | 'pods' | 'adopts'
  >,
): void {
  const heartbeat = heartbeatTarget(state, nodeName);
  const node = state.nodes.get(nodeName);
  wanted.actions.push(
    action('BeginEpisode', '', {
      node: nodeName,
      driver: state.policy.driver,
      heartbeat,
      nodeUid: node?.uid ?? '',
      bootId: node?.bootId ?? '',
      ...fields,
    }),
  );
}

/** The heartbeat Lease as we see it now; without a version if there is none yet. */
export function heartbeatTarget(state: State, nodeName: string): LeaseTarget {
  const { heartbeatKey } = memoryOf(state, nodeName);
  const name = heartbeatKey.slice(state.policy.namespace.length + 1);
  const resourceVersion = heartbeatOf(state, nodeName)?.view.resourceVersion ?? '';
  return { namespace: state.policy.namespace, name, resourceVersion };
}

/**
 * What tells this failure of the node from the next one, the same for every replica and across
 * restarts: the version of the Lease that has stopped changing, where one has.
 */
export function incidentOf(
  state: State,
  nodeName: string,
  verdict: Verdict,
  record: FenceRecord | undefined,
): string {
  if (verdict.kind === 'StorageLost') {
    return `${verdict.reason}/${memoryOf(state, nodeName).bootId}`;
  }
  if (verdict.kind === 'KubeletDead') {
    return kubeletOf(state, nodeName)?.view.resourceVersion ?? '';
  }
  // The record's epoch is the version of the Lease that fell silent, before we wrote to it.
  if (record !== undefined) return record.epoch;
  if (verdict.kind === 'Gone') return verdict.reason;
  if (verdict.kind === 'DriverDown') {
    return String(Math.round(memoryOf(state, nodeName).driverBadSince ?? 0));
  }
  return heartbeatOf(state, nodeName)?.view.resourceVersion ?? '';
}
