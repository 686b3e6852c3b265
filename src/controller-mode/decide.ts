import type { Instant } from '../shared/clock.ts';
import type { Decision } from '../shared/mode.ts';
import type { FenceRecord } from '../shared/record.ts';
import type { Action } from './actions.ts';
import { keepFromBrokenNodes } from './availability.ts';
import { adopt, begin, follow, heartbeatTarget, incidentOf } from './begin.ts';
import { candidatesFor, weigh } from './confirm.ts';
import { type Episode, hasOwnTaint, membersOf } from './episode.ts';
import { failover } from './failover.ts';
import { hasFencedTaint } from './fenced-taint.ts';
import { staleAt, staleView } from './freshness.ts';
import { type Situation, stormHold } from './guards.ts';
import { hold } from './hold.ts';
import { writeConditions } from './node-condition.ts';
import { nodeFenced, nodeNotReady, nodeVerdict } from './node-notices.ts';
import { type Failure, podNotMoved } from './notices.ts';
import { clearOutOfService, ownOutOfService } from './out-of-service.ts';
import { tellProgress } from './progress.ts';
import { type Overview, overviewOf } from './scope.ts';
import { type State, memoryOf } from './state.ts';
import { undoStrayHolds } from './stray-hold.ts';
import { unmarkStrayPods } from './stray-intent.ts';
import { tellHealth } from './tell-health.ts';
import { type Verdict, isFailed, verdictOf } from './verdict.ts';
import { attachmentsOn } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * All that is wanted now: not leading -> nothing; our own view is stale -> nothing, with the
 * reason; else, node by node: verdict -> guards -> failover. What has been begun is finished.
 */
export function decide(state: State, now: Instant): Decision<Action> {
  const wanted: Wanted = { actions: [], notices: [], wakeAt: [] };
  if (!state.leading) return decision(wanted, now);
  const stale = staleView(state, now);
  const records = recordsOf(state);
  const overview = overviewOf(state, now);
  // A taint whose record is gone is a fence, too: it is adopted.
  const inEpisode = new Set([...records.keys(), ...fencedNodes(state)]);
  const verdicts = verdictsOf(state, now, inEpisode, overview);
  const storm = stormHold(state, verdicts, inEpisode, now);
  let ids: ReadonlySet<string> | undefined;
  const knownNodeIds = (): ReadonlySet<string> => (ids ??= nodeIdsIn(state));
  for (const [nodeName, verdict] of verdicts) {
    if (verdict.changesAt !== undefined) wanted.wakeAt.push(verdict.changesAt);
    const record = records.get(nodeName);
    if (verdict.kind === 'Alive' && record === undefined && hasNothingOfOurs(state, nodeName))
      continue;
    const situation: Situation = {
      state,
      now,
      nodeName,
      verdicts,
      storm,
      overview,
      knownNodeIds,
    };
    const incident = incidentOf(state, nodeName, verdict, record);
    const failure: Failure = { situation, verdict, incident };
    if (stale !== undefined) decideBlindly(failure, stale.detail, wanted);
    else decideNode(failure, record, wanted);
  }
  tellHealth(state, now, overview, wanted);
  if (stale !== undefined) return decision(wanted, now);
  wanted.wakeAt.push(staleAt(state));
  unmarkStrayPods(state, records, wanted);
  keepFromBrokenNodes(state, verdicts, wanted);
  writeConditions(state, verdicts, { now, storm }, wanted);
  return decision(wanted, now);
}

/** Nothing of ours can be on it, and it is well: true of most, and asked in every decision. */
function hasNothingOfOurs(state: State, nodeName: string): boolean {
  if (state.holdsByNode.has(nodeName) || state.troubledNodes.has(nodeName)) return false;
  const node = state.nodes.get(nodeName);
  return node?.taints.length === 0 && node.ready !== 'False';
}

function decideNode(failure: Failure, record: FenceRecord | undefined, wanted: Wanted): void {
  const { situation, verdict } = failure;
  if (record === undefined) clearStrayTaint(situation, wanted);
  if (record !== undefined) runEpisode(situation, verdict, record, wanted);
  else if (!adopt(situation, wanted) && !follow(situation, wanted) && isFailed(verdict)) {
    begin(situation, verdict, wanted);
  }
  if (verdict.kind === 'Alive' || verdict.kind === 'StorageLost') weigh(situation, wanted);
  undoStrayHolds(situation, verdict, record, wanted);
  tellVerdict(failure, wanted);
  if (verdict.kind === 'Alive') tellNotReady(situation, wanted);
}

/** An agent that is only late, because its machine has just come back, is not worth a word. */
function tellVerdict({ situation, verdict, incident }: Failure, wanted: Wanted): void {
  const { state, now } = situation;
  const patienceMs = verdict.kind === 'AgentDown' ? 3 * state.policy.lostAfterMs : 0;
  const tellAt = verdict.since + patienceMs;
  if (now >= tellAt) wanted.notices.push(...nodeVerdict(situation, verdict, incident));
  else wanted.wakeAt.push(tellAt);
}

/** So is a node that is not ready because it has just come up. */
function tellNotReady(situation: Situation, wanted: Wanted): void {
  const { state, now, nodeName } = situation;
  const { notReadySince } = memoryOf(state, nodeName);
  if (notReadySince === undefined) return;
  const tellAt = notReadySince + 3 * state.policy.lostAfterMs;
  if (now >= tellAt) wanted.notices.push(...nodeNotReady(situation, notReadySince));
  else wanted.wakeAt.push(tellAt);
}

/** What is due already is in the decision; only what is still to come wakes us up. */
function decision({ actions, notices, wakeAt }: Wanted, now: Instant): Decision<Action> {
  let next: Instant | undefined;
  for (const at of wakeAt) {
    if (at > now && (next === undefined || at < next)) next = at;
  }
  return { actions, notices, wakeAt: next };
}

/** Nodes that carry the driver, and nodes that still carry something of ours. */
function verdictsOf(
  state: State,
  now: Instant,
  inEpisode: ReadonlySet<string>,
  overview: Overview,
): Map<string, Verdict> {
  const { driver } = state.policy;
  // An episode may outlive the CSINode entry and the Node object.
  const names = new Set(inEpisode);
  for (const name of state.csinodes.keys()) if (state.carriers.has(name)) names.add(name);
  for (const name of state.attachmentsByNode.keys()) {
    if (names.has(name)) continue;
    if (attachmentsOn(state, name).some((attachment) => attachment.driver === driver)) {
      names.add(name);
    }
  }
  const verdicts = new Map<string, Verdict>();
  for (const name of names) verdicts.set(name, verdictOf(state, name, now, overview));
  return verdicts;
}

/** That carry our taint. */
function* fencedNodes({ nodes, policy }: State): Generator<string> {
  for (const [name, node] of nodes) if (hasFencedTaint(node, policy.driver)) yield name;
}

/** Of a node without a CSINode, as its VolumeAttachments have them. */
function nodeIdsIn(state: State): ReadonlySet<string> {
  const { driver } = state.policy;
  const ids = [...state.csinodes.values()].flatMap(({ nodeIds }) => nodeIds[driver] ?? []);
  for (const nodeName of state.attachmentsByNode.keys()) {
    if (state.csinodes.has(nodeName)) continue;
    for (const attachment of attachmentsOn(state, nodeName)) {
      if (attachment.driver === driver) ids.push(attachment.nodeId);
    }
  }
  return new Set(ids);
}

function recordsOf(state: State): ReadonlyMap<string, FenceRecord> {
  const records = new Map<string, FenceRecord>();
  for (const [nodeName, memory] of state.memory) {
    if (memory.recordEpoch === '') continue;
    const record = state.heartbeats.get(memory.heartbeatKey)?.record;
    if (record !== undefined) records.set(nodeName, record);
  }
  return records;
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
  failover(episode, candidatesFor(state, nodeName, verdict), wanted);
  if (record.phase === 'Released') return;
  tellProgress(episode, wanted);
  if (hasOwnTaint(episode)) wanted.notices.push(...nodeFenced(episode));
}

/**
 * Our own view cannot be believed: nothing is begun or gone on with, and people are told. Only our
 * out-of-service taint is taken away, because it must not outlive the reason why it was set.
 */
function decideBlindly(failure: Failure, detail: string, wanted: Wanted): void {
  const { situation, verdict } = failure;
  clearStrayTaint(situation, wanted);
  if (!isFailed(verdict)) return;
  const why = hold('own-view-stale', detail);
  for (const pod of candidatesFor(situation.state, situation.nodeName, verdict)) {
    wanted.notices.push(podNotMoved(failure, pod, why));
  }
}

function clearStrayTaint(situation: Situation, wanted: Wanted): void {
  const { state, nodeName } = situation;
  const { driver } = state.policy;
  const node = state.nodes.get(nodeName);
  if (node === undefined) return;
  const isUnseen = state.memory.get(nodeName)?.outOfServiceSetAt !== undefined;
  if (ownOutOfService(node, driver) === undefined && !isUnseen) return;
  clearOutOfService(node, situation, wanted);
}
