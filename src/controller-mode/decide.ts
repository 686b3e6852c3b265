import type { Instant } from '../shared/clock.ts';
import type { Decision } from '../shared/mode.ts';
import type { PodView } from '../shared/model.ts';
import { fenceAnnotation, fencedTaint } from '../shared/names.ts';
import { type FencedVolume, type FenceRecord, decodeFenceRecord } from '../shared/record.ts';
import { type Action, type LeaseTarget, action } from './actions.ts';
import { keepFromBrokenDrivers } from './availability.ts';
import { type Episode, hasOwnTaint, membersOf } from './episode.ts';
import { failover } from './failover.ts';
import { staleAt, staleView } from './freshness.ts';
import { type Situation, movable, stormHold } from './guards.ts';
import { hold } from './hold.ts';
import { type Failure, nodeFenced, nodeVerdict, podNotMoved } from './notices.ts';
import { tellProgress } from './progress.ts';
import { type State, heartbeatOf, memoryOf } from './state.ts';
import { type Verdict, isFailed, verdictOf } from './verdict.ts';
import {
  attachmentsOn,
  claimedVolumes,
  holdOf,
  isFinished,
  ourVolumes,
  podsOn,
} from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * All that is wanted now: not leading -> nothing; our own view is stale -> nothing, with the
 * reason; else, node by node: verdict -> guards -> failover. What has been begun is finished.
 */
export function decide(state: State, now: Instant): Decision<Action> {
  const wanted: Wanted = { actions: [], notices: [], wakeAt: [] };
  if (!state.leading) return decision(wanted);
  const stale = staleView(state, now);
  wanted.wakeAt.push(staleAt(state));
  const verdicts = verdictsOf(state, now);
  const records = recordsOf(state, verdicts);
  const storm = stormHold(state, verdicts, new Set(records.keys()));
  for (const [nodeName, verdict] of verdicts) {
    const situation: Situation = { state, now, nodeName, verdicts, storm };
    if (stale !== undefined) tellStale(situation, verdict, stale.detail, wanted);
    else decideNode(situation, verdict, records.get(nodeName), wanted);
  }
  if (stale === undefined) keepFromBrokenDrivers(state, verdicts, wanted);
  return decision(wanted);
}

function decideNode(
  situation: Situation,
  verdict: Verdict,
  record: FenceRecord | undefined,
  wanted: Wanted,
): void {
  const { state, nodeName } = situation;
  if (verdict.changesAt !== undefined) wanted.wakeAt.push(verdict.changesAt);
  if (record !== undefined) runEpisode(situation, verdict, record, wanted);
  else if (!adopt(situation, wanted) && isFailed(verdict)) begin(situation, verdict, wanted);
  // The record's epoch is the version of the Lease that fell silent, before we wrote to it.
  const incident = record?.epoch ?? incidentOf(state, nodeName, verdict);
  tellVerdict({ situation, verdict, incident }, wanted);
}

/** An agent that is only late, because its machine has just come back, is not worth a word. */
function tellVerdict({ situation, verdict, incident }: Failure, wanted: Wanted): void {
  const { state, now } = situation;
  const patienceMs = verdict.kind === 'AgentDown' ? 3 * state.policy.lostAfterMs : 0;
  const tellAt = verdict.since + patienceMs;
  if (now >= tellAt) wanted.notices.push(...nodeVerdict(situation, verdict, incident));
  else wanted.wakeAt.push(tellAt);
}

function decision({ actions, notices, wakeAt }: Wanted): Decision<Action> {
  return { actions, notices, wakeAt: wakeAt.length === 0 ? undefined : Math.min(...wakeAt) };
}

/** Nodes that carry the driver, and nodes that still carry something of ours. */
function verdictsOf(state: State, now: Instant): Map<string, Verdict> {
  const { driver } = state.policy;
  const names = new Set<string>();
  for (const [name, csinode] of state.csinodes) {
    if (csinode.nodeIds[driver] !== undefined) names.add(name);
  }
  // An episode may outlive the CSINode entry and the Node object.
  for (const name of state.memory.keys()) {
    if (hasRecord(state, name)) names.add(name);
  }
  for (const [name, node] of state.nodes) {
    if (node.taints.some(({ key }) => key === fencedTaint(driver))) names.add(name);
  }
  for (const [name, attachments] of state.attachmentsByNode) {
    if (names.has(name)) continue;
    if ([...attachments.values()].some((attachment) => attachment.driver === driver)) {
      names.add(name);
    }
  }
  return new Map([...names].sort().map((name) => [name, verdictOf(state, name, now)]));
}

function hasRecord(state: State, nodeName: string): boolean {
  return heartbeatOf(state, nodeName)?.view.annotations[fenceAnnotation] !== undefined;
}

function recordsOf(
  state: State,
  verdicts: ReadonlyMap<string, Verdict>,
): ReadonlyMap<string, FenceRecord> {
  const records = new Map<string, FenceRecord>();
  for (const nodeName of verdicts.keys()) {
    const text = heartbeatOf(state, nodeName)?.view.annotations[fenceAnnotation];
    const record = decodeFenceRecord(text);
    if (record !== undefined) records.set(nodeName, record);
  }
  return records;
}

function heartbeatTarget(state: State, nodeName: string): LeaseTarget {
  const { heartbeatKey } = memoryOf(state, nodeName);
  const name = heartbeatKey.slice(state.policy.namespace.length + 1);
  const resourceVersion = heartbeatOf(state, nodeName)?.view.resourceVersion ?? '';
  return { namespace: state.policy.namespace, name, resourceVersion };
}

/** Labelled pods of the node that use a volume of our driver. */
function candidatesOn(state: State, nodeName: string): readonly PodView[] {
  return podsOn(state, nodeName).filter(
    (pod) => pod.selected && !isFinished(pod) && ourVolumes(state, pod).length > 0,
  );
}

function runEpisode(
  situation: Situation,
  verdict: Verdict,
  record: FenceRecord,
  wanted: Wanted,
): void {
  const { state, nodeName } = situation;
  const episode: Episode = {
    situation,
    record,
    heartbeat: heartbeatTarget(state, nodeName),
    verdict,
    node: state.nodes.get(nodeName),
    memory: memoryOf(state, nodeName),
    members: membersOf(situation, record.epoch),
  };
  failover(episode, candidatesOn(state, nodeName), wanted);
  if (record.phase === 'Released') return;
  tellProgress(episode, wanted);
  if (hasOwnTaint(episode)) wanted.notices.push(...nodeFenced(episode));
}

/** A node has failed: begins an episode for the pods that may move, and says why others may not. */
function begin(situation: Situation, verdict: Verdict, wanted: Wanted): void {
  const { state, nodeName } = situation;
  const { pods, holds } = movable(situation, candidatesOn(state, nodeName), new Set());
  const incident = incidentOf(state, nodeName, verdict);
  for (const pod of podsOn(state, nodeName)) {
    const why = holds.get(pod.uid) ?? noVolume(state, pod);
    if (why === undefined) continue;
    if (why.until !== undefined) wanted.wakeAt.push(why.until);
    wanted.notices.push(podNotMoved({ situation, verdict, incident }, pod, why));
  }
  if (pods.length === 0) return;
  const volumes = new Map(pods.flatMap((pod) => ourVolumes(state, pod)).map((v) => [v.pv, v]));
  const kubelet = state.kubeletLeases.get(`kube-node-lease/${nodeName}`);
  pushBegin(situation, wanted, {
    kubeletRenewTime: kubelet?.view.renewTime ?? '',
    reason: `${verdict.kind}: ${verdict.reason}`,
    phase: 'Intent',
    volumes: [...volumes.values()],
  });
}

/** A labelled pod that has nothing to fence is not ours to move; said once, not kept silent. */
function noVolume(state: State, pod: PodView): ReturnType<typeof hold> | undefined {
  if (!pod.selected || isFinished(pod) || claimedVolumes(state, pod).length > 0) return undefined;
  return hold('not-movable', `it has no volume of driver ${state.policy.driver}`);
}

/**
 * A hold or a taint of ours without a record: somebody removed the record, or a hold arrived late.
 * A hold has taken the volume away, so the episode is finished; a taint alone means that the node
 * is fenced for all volumes of the driver until it is proven clean.
 */
function adopt(situation: Situation, wanted: Wanted): boolean {
  const { state, nodeName } = situation;
  const { driver } = state.policy;
  const node = state.nodes.get(nodeName);
  const held = attachmentsOn(state, nodeName).filter((attachment) => {
    const stage = holdOf(attachment);
    return attachment.driver === driver && stage !== 'free' && stage !== 'leaving';
  });
  const tainted = node?.taints.some(({ key }) => key === fencedTaint(driver)) === true;
  if (held.length === 0 && !tainted) return false;
  const volumes = held.flatMap(({ pv }): FencedVolume[] => {
    const view = state.pvs.get(pv);
    return view === undefined ? [] : [{ handle: view.handle, pv }];
  });
  const phase = volumes.length > 0 ? 'Fenced' : 'Moved';
  pushBegin(situation, wanted, { kubeletRenewTime: undefined, reason: 'adopted', phase, volumes });
  return true;
}

function pushBegin(
  { state, nodeName }: Situation,
  wanted: Wanted,
  fields: {
    readonly kubeletRenewTime: string | undefined;
    readonly reason: string;
    readonly phase: FenceRecord['phase'];
    readonly volumes: readonly FencedVolume[];
  },
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

function tellStale(situation: Situation, verdict: Verdict, detail: string, wanted: Wanted): void {
  const { state, nodeName } = situation;
  if (!isFailed(verdict)) return;
  const incident = incidentOf(state, nodeName, verdict);
  for (const pod of candidatesOn(state, nodeName)) {
    const why = hold('own-view-stale', detail);
    wanted.notices.push(podNotMoved({ situation, verdict, incident }, pod, why));
  }
}

/**
 * What tells this failure of the node from the next one, the same for every replica and across
 * restarts: the version of the Lease that has stopped changing.
 */
function incidentOf(state: State, nodeName: string, verdict: Verdict): string {
  if (verdict.kind === 'DriverDown') {
    return String(Math.round(memoryOf(state, nodeName).driverBadSince ?? 0));
  }
  const silent =
    verdict.kind === 'KubeletDead'
      ? state.kubeletLeases.get(`kube-node-lease/${nodeName}`)
      : heartbeatOf(state, nodeName);
  return silent?.view.resourceVersion ?? '';
}
