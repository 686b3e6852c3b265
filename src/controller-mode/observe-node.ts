import type { Instant } from '../shared/clock.ts';
import type { NodeView } from '../shared/model.ts';
import { observeLetGo } from './attach-attempt.ts';
import { hasFencedTaint } from './fenced-taint.ts';
import { ownOutOfService } from './out-of-service.ts';
import { type State, memoryOf } from './state.ts';

/** What is remembered of how a Node changed. */
export function observeNode(
  state: State,
  before: NodeView | undefined,
  after: NodeView,
  now: Instant,
): void {
  rememberOutOfService(state, before, after, now);
  rememberReadiness(state, before, after, now);
  observeLetGo(state, before, after);
  forgetJoined(state, before, after);
}

function rememberReadiness(
  state: State,
  before: NodeView | undefined,
  after: NodeView,
  now: Instant,
): void {
  const isSame = before?.uid === after.uid && before.ready === after.ready;
  if (isSame || (after.ready !== 'False' && before?.ready !== 'False')) return;
  memoryOf(state, after.name).notReadySince = after.ready === 'False' ? now : undefined;
}

function rememberOutOfService(
  state: State,
  before: NodeView | undefined,
  after: NodeView,
  now: Instant,
): void {
  const { driver } = state.policy;
  const had = before?.uid === after.uid && ownOutOfService(before, driver) !== undefined;
  const has = ownOutOfService(after, driver) !== undefined;
  if (!had && !has) return;
  const memory = memoryOf(state, after.name);
  if (had && has) {
    const letGo = after.volumesAttached.length < before.volumesAttached.length;
    memory.outOfServiceHelped ||= letGo;
    return;
  }
  if (has) memory.outOfServiceHelped = false;
  if (has) memory.outOfServiceSetAt = undefined;
  memory.outOfServiceSeenAt = has ? now : undefined;
  memory.outOfServiceGoneAt = has ? undefined : now;
}

/**
 * Somebody took our taint off, or made the Node again, and we see that only now: what was put
 * there since would have gone elsewhere while it stood, so it does not count (join.ts).
 */
function forgetJoined(state: State, before: NodeView | undefined, after: NodeView): void {
  const { driver } = state.policy;
  const stood = before === undefined || hasFencedTaint(before, driver);
  if (!stood || hasFencedTaint(after, driver)) return;
  for (const { later } of state.memory.get(after.name)?.joined.values() ?? []) later.clear();
}
