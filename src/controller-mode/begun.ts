import type { Instant } from '../shared/clock.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { NodeMemory } from './node-memory.ts';

/**
 * An episode that we have asked for and do not see yet. Its node may look well again before its
 * record has come back through the watch; whoever forgot it until then would take the next node
 * for the only one in trouble.
 */

/** kube-apiserver ends a request after that (--request-timeout): no record comes of it later. */
const underWayMs = 60_000;

/** The request goes out. */
export function observeBegun(memory: NodeMemory, now: Instant): void {
  memory.begunAt = now;
}

/** Only a refusal says that there is no record. */
export function observeBeginSettled(memory: NodeMemory, outcome: Outcome): void {
  if (outcome.kind === 'Failed') memory.begunAt = undefined;
}

/** Until when it counts, unless its record is seen before; undefined: none was asked for. */
export function begunUntil(memory: NodeMemory | undefined, now: Instant): Instant | undefined {
  if (memory?.begunAt === undefined) return undefined;
  const until = memory.begunAt + underWayMs;
  return now < until ? until : undefined;
}
