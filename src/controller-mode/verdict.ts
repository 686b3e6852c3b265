import type { Instant } from '../shared/clock.ts';
import type { NodeReport } from '../shared/record.ts';
import type { NodeMemory } from './node-memory.ts';
import { defaultLeaseDurationMs, driverDownAfterMs, renewalsPerLease } from './policy.ts';
import { type Overview, overviewOf } from './scope.ts';
import type { SeenLease } from './seen-lease.ts';
import { type State, memoryOf } from './state.ts';
import { storageFinding } from './storage-verdict.ts';
import { attachmentsOn } from './volumes.ts';

export type VerdictKind =
  | 'Alive'
  | 'Suspect'
  | 'Lost'
  | 'KubeletDead'
  | 'AgentDown'
  | 'DriverDown'
  | 'StorageLost'
  | 'Gone'
  | 'Unknown';

/** What the evidence says of one node now. */
export interface Verdict {
  readonly kind: VerdictKind;
  /** One hyphenated word, for Events, logs and metrics. */
  readonly reason: string;
  /** Our clock: when what the reason names began. */
  readonly since: Instant;
  /** When silence alone would change the verdict. */
  readonly changesAt: Instant | undefined;
  /** Of `StorageLost`: the volumes that cannot be used there, by handle. */
  readonly handles?: ReadonlySet<string>;
}

/** The verdicts that begin an episode. */
export function isFailed(verdict: Verdict): boolean {
  return isDead(verdict) || verdict.kind === 'StorageLost';
}

/** Nobody is left on the node who could end a pod in order. */
export function isDead({ kind }: Verdict): boolean {
  return kind === 'Lost' || kind === 'KubeletDead' || kind === 'Gone';
}

/** The verdicts that count for the storm guard: Lost alone would let the first of many through. */
export function isTroubled(verdict: Verdict): boolean {
  return isFailed(verdict) || verdict.kind === 'Suspect';
}

/** All silences of one node, on our clock and never older than our own unbroken view. */
interface Evidence {
  readonly now: Instant;
  readonly agent: SeenLease | undefined;
  readonly kubelet: SeenLease | undefined;
  readonly agentSilentSince: Instant;
  readonly kubeletSilentSince: Instant;
  /** Our heartbeat interval and the kubelet's renew interval. */
  readonly beatMs: number;
  readonly renewMs: number;
  readonly report: NodeReport | undefined;
  readonly memory: NodeMemory;
}

/**
 * The verdict table of one node. Everything is timed from the moment *we* saw a Lease change;
 * renewTime itself is another machine's clock and is only compared for change.
 */
export function verdictOf(
  state: State,
  nodeName: string,
  now: Instant,
  overview: Overview = overviewOf(state, now),
): Verdict {
  const node = state.nodes.get(nodeName);
  if (node === undefined) return gone(state, nodeName);
  const evidence = evidenceOf(state, nodeName, now);
  const agentSilence = now - evidence.agentSilentSince;
  if (evidence.agent !== undefined && agentSilence < 2 * evidence.beatMs) {
    return agentFresh(state, nodeName, evidence, overview);
  }
  if (agentSilence < state.policy.lostAfterMs) return agentQuiet(state, evidence);
  return agentSilent(state, nodeName, evidence);
}

function evidenceOf(state: State, nodeName: string, now: Instant): Evidence {
  const memory = memoryOf(state, nodeName);
  const { heartbeats, kubeletLeases } = state.sources;
  const agent = state.heartbeats.get(memory.heartbeatKey);
  const kubelet = state.kubeletLeases.get(memory.kubeletKey);
  const leaseMs = kubelet?.view.durationMs || defaultLeaseDurationMs;
  return {
    now,
    agent,
    kubelet,
    agentSilentSince: since(agent, Math.max(heartbeats.freshSince, memory.heartbeatGoneAt)),
    kubeletSilentSince: since(kubelet, Math.max(kubeletLeases.freshSince, memory.kubeletGoneAt)),
    beatMs: state.policy.heartbeatIntervalMs,
    renewMs: leaseMs / renewalsPerLease,
    report: agent?.report,
    memory,
  };
}

function since(lease: SeenLease | undefined, freshSince: Instant): Instant {
  return Math.max(lease?.renewedAt ?? freshSince, freshSince);
}

function kubeletSilentAt(evidence: Evidence): Instant {
  return evidence.kubeletSilentSince + 1.5 * evidence.renewMs;
}

function gone(state: State, nodeName: string): Verdict {
  const since = state.sources.nodes.freshSince;
  const { driver } = state.policy;
  return attachmentsOn(state, nodeName).some((attachment) => attachment.driver === driver)
    ? { kind: 'Gone', reason: 'node-deleted', since, changesAt: undefined }
    : { kind: 'Unknown', reason: 'no-node', since, changesAt: undefined };
}

function agentFresh(
  state: State,
  nodeName: string,
  evidence: Evidence,
  overview: Overview,
): Verdict {
  const { now, kubeletSilentSince, agentSilentSince, beatMs, renewMs, report } = evidence;
  const quietAt = agentSilentSince + 2 * beatMs;
  if (now < kubeletSilentAt(evidence)) return bothFresh(state, nodeName, evidence, overview);
  // Three renewals at least: kubelet itself retries with a back-off of up to 7 s.
  const deadAt = kubeletSilentSince + Math.max(state.policy.kubeletLostAfterMs, 3 * renewMs);
  const dead = report?.kubelet === 'dead';
  if (now >= deadAt && dead) {
    const since = kubeletSilentSince;
    return { kind: 'KubeletDead', reason: 'kubelet-dead', since, changesAt: quietAt };
  }
  const changesAt = now < deadAt ? Math.min(quietAt, deadAt) : quietAt;
  return {
    kind: 'Suspect',
    reason: dead ? 'kubelet-silent' : 'kubelet-silent-but-answering',
    since: kubeletSilentSince,
    changesAt,
  };
}

/** Agent and kubelet live; what the agent reports of the driver and of its volumes counts. */
function bothFresh(
  state: State,
  nodeName: string,
  evidence: Evidence,
  overview: Overview,
): Verdict {
  const { now, agentSilentSince, beatMs, report, memory } = evidence;
  const changesAt = Math.min(agentSilentSince + 2 * beatMs, kubeletSilentAt(evidence));
  const firstBadAt = memory.driverBadSince;
  if (firstBadAt === undefined) {
    const finding = storageFinding(state, nodeName, now, overview);
    const first = Math.min(changesAt, finding.changesAt ?? changesAt);
    if (finding.kind === 'lost') {
      const { reason, since, handles } = finding;
      return { kind: 'StorageLost', reason, since, changesAt: first, handles };
    }
    const since = finding.kind === 'well' ? agentSilentSince : finding.since;
    return { kind: 'Alive', reason: finding.reason, since, changesAt: first };
  }
  // In a gap of our view the driver may have been well.
  const badSince = Math.max(firstBadAt, state.sources.heartbeats.freshSince);
  const downAt = badSince + driverDownAfterMs;
  const reason = `driver-${report?.driver ?? 'silent'}`;
  return now < downAt
    ? { kind: 'Alive', reason, since: badSince, changesAt: Math.min(changesAt, downAt) }
    : { kind: 'DriverDown', reason, since: badSince, changesAt };
}

function agentQuiet(state: State, evidence: Evidence): Verdict {
  const { agent, report, agentSilentSince: since, now, memory } = evidence;
  const changesAt = since + state.policy.lostAfterMs;
  const kubeletEnd = kubeletSilentAt(evidence);
  if (agent === undefined) {
    const neverSeen = { kind: 'AgentDown', reason: 'agent-never-seen', since } as const;
    if (memory.heartbeatGoneAt < since) return { ...neverSeen, changesAt };
    // Its Lease was deleted, which says nothing of the node; a kubelet that renews does.
    if (now < kubeletEnd) return { ...neverSeen, changesAt: Math.min(changesAt, kubeletEnd) };
  }
  if (report?.driver === 'stopping' && now < kubeletEnd) {
    const first = Math.min(changesAt, kubeletEnd);
    return { kind: 'AgentDown', reason: 'agent-stopping', since, changesAt: first };
  }
  return { kind: 'Suspect', reason: 'heartbeat-silent', since, changesAt };
}

function agentSilent(state: State, nodeName: string, evidence: Evidence): Verdict {
  const { agentSilentSince: since, kubeletSilentSince, now } = evidence;
  const silentAt = kubeletSilentAt(evidence);
  if (now < silentAt) {
    if (!agentFellSilentAlone(evidence)) {
      return { kind: 'Suspect', reason: 'heartbeat-silent', since, changesAt: silentAt };
    }
    const reason = evidence.agent === undefined ? 'agent-never-seen' : 'agent-silent';
    // A machine that has just come back starts its kubelet first.
    const alone = Math.max(since, evidence.kubelet?.steadySince ?? since);
    return { kind: 'AgentDown', reason, since: alone, changesAt: silentAt };
  }
  const forGood = { since: kubeletSilentSince, changesAt: undefined };
  if (fellSilentTogether(evidence, state.policy.lostAfterMs)) {
    return { kind: 'Lost', reason: 'node-silent', ...forGood, since };
  }
  // The silences do not belong together, so only Kubernetes' own slower judgement joins them.
  return state.nodes.get(nodeName)?.ready === 'Unknown'
    ? { kind: 'Lost', reason: 'node-not-ready', ...forGood }
    : { kind: 'Suspect', reason: 'kubelet-silent', ...forGood };
}

/** The kubelet lives and the agent is known to have stopped without it, or was never there. */
function agentFellSilentAlone({ agent, kubelet, beatMs, report }: Evidence): boolean {
  return (
    agent === undefined ||
    agent.renewals === 0 ||
    report?.driver === 'stopping' ||
    (kubelet?.renewedAt ?? 0) > agent.renewedAt + 2 * beatMs
  );
}

/**
 * One cause for both silences: they began within one renew interval (the kubelet's last renewal
 * may be that much older) and lost-after of each other. Needs an agent that we saw renewing.
 */
function fellSilentTogether({ agent, kubelet, renewMs }: Evidence, lostAfterMs: number): boolean {
  return (
    agent !== undefined &&
    agent.renewals > 0 &&
    kubelet !== undefined &&
    Math.abs(kubelet.renewedAt - agent.renewedAt) <= renewMs + lostAfterMs
  );
}
