import type { Instant } from '../shared/clock.ts';
import { type State, heartbeatOf } from './state.ts';

/** The first of these nodes whose agent is heard; what another one said last is no view. */
export function firstHeard(
  state: State,
  nodes: ReadonlySet<string>,
  count: number,
  now: Instant,
): string[] {
  const heard: string[] = [];
  for (const node of nodes) {
    if (heard.length === count) break;
    if (isHeard(state, node, now)) heard.push(node);
  }
  return heard;
}

function isHeard(state: State, node: string, now: Instant): boolean {
  const renewedAt = heartbeatOf(state, node)?.renewedAt;
  return renewedAt !== undefined && now - renewedAt < state.policy.lostAfterMs;
}
