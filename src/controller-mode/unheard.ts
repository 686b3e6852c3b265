import { type State, heartbeatOf, kubeletOf } from './state.ts';
import type { Verdict } from './verdict.ts';

/**
 * Alive only because its silence counts anew after a gap in our view: for a while nobody knows.
 * A deleted Node needs no silence, and would slip through a storm that goes on.
 */
export function isUnheard(
  state: State,
  nodeName: string,
  { kind, reason, since }: Verdict,
): boolean {
  // Nearly all nodes: heard since our view is without a gap.
  const isHeard = kind === 'Alive' && reason === 'heartbeat';
  if (isHeard && since > state.sources.heartbeats.freshSince) return false;
  const agent = heartbeatOf(state, nodeName);
  const { heartbeats, kubeletLeases } = state.sources;
  if (agent === undefined || agent.renewedAt > heartbeats.freshSince) return false;
  if (kind === 'Alive' || kind === 'DriverDown') return true;
  // Without its agent only the kubelet speaks for the node.
  const kubelet = kubeletOf(state, nodeName)?.renewedAt ?? 0;
  return kind === 'AgentDown' && kubelet <= kubeletLeases.freshSince;
}
