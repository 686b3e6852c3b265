import type { Instant } from '../shared/clock.ts';
import { keyOf } from '../shared/model.ts';
import { fencedTaint, outOfServiceTaint } from '../shared/names.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { Action, ActionOf } from './actions.ts';
import { observeBeginSettled } from './begun.ts';
import { hasFencedTaint } from './fenced-taint.ts';
import type { NodeMemory } from './node-memory.ts';
import { type State, groupOf, memoryOf } from './state.ts';
import type { NodeChange, PodChange } from './refusal.ts';
import { observeConfirmation } from './storage-view.ts';
import { observeAnswerAgain } from './trouble.ts';
import { stillPublished } from './verify-revoked.ts';

/** What became of an action of ours, as far as it tells more than its effect will. */
export function observeSettled(
  state: State,
  settled: Action,
  outcome: Outcome,
  now: Instant,
): void {
  if (settled.kind === 'Evict' || settled.kind === 'EndPod' || settled.kind === 'MarkPod') {
    observePodChange(state, settled, outcome);
  }
  if (settled.kind === 'ConfirmHealth') {
    const isBack = observeConfirmation(state, settled.handle, outcome, now);
    if (isBack) observeAnswerAgain(state, now);
  }
  const memory = memoryOf(state, settled.node);
  if (settled.kind === 'BeginEpisode') observeBeginSettled(memory, outcome);
  if (isNodeChange(settled, state.policy.driver)) {
    memory.refusal = outcome.kind === 'Done' ? undefined : { kind: settled.kind, outcome, at: now };
  }
  if (settled.kind === 'VerifyRevoked') observeListing(memory, settled, outcome);
  if (outcome.kind === 'Done') observeDone(state, settled, now);
}

function observeDone(state: State, settled: Action, now: Instant): void {
  if (settled.kind === 'MarkPod') observeMark(state, settled);
  if (settled.kind === 'SetTaint' || settled.kind === 'ClearTaint') {
    observeOutOfService(memoryOf(state, settled.node), settled, now);
  }
}

/** Of the taints only the fenced one: the others do not keep an episode from going on. */
function isNodeChange(settled: Action, driver: string): settled is NodeChange {
  return (
    settled.kind === 'BeginEpisode' ||
    ((settled.kind === 'SetTaint' || settled.kind === 'ClearTaint') &&
      settled.taint.key === fencedTaint(driver))
  );
}

/** Which volumes the driver's listing proved to be off the node, and what it said of the others. */
function observeListing(
  memory: NodeMemory,
  { volumes }: ActionOf<'VerifyRevoked'>,
  outcome: Outcome,
): void {
  for (const { uid } of volumes) {
    const isOff = outcome.kind === 'Done' && (outcome.only?.includes(uid) ?? true);
    if (isOff) memory.revoked.add(uid);
    else memory.unrevoked.set(uid, outcome.kind === 'Done' ? stillPublished : outcome.code);
  }
}

/** Its time runs from here if our view does not show it, and its end is seen here, too. */
function observeOutOfService(
  memory: NodeMemory,
  { kind, taint }: ActionOf<'SetTaint' | 'ClearTaint'>,
  now: Instant,
): void {
  if (taint.key !== outOfServiceTaint) return;
  if (kind === 'SetTaint') {
    if (memory.outOfServiceSeenAt === undefined) memory.outOfServiceSetAt ??= now;
  } else if (memory.outOfServiceSetAt !== undefined) {
    memory.outOfServiceSetAt = undefined;
    memory.outOfServiceGoneAt = now;
    memory.outOfServiceHelped = false;
  }
}

function observeMark(state: State, { node, pod: target, intent }: ActionOf<'MarkPod'>): void {
  // Its second mark, that its volumes are fenced, makes nobody join.
  if (intent.fenced === true) return;
  const memory = memoryOf(state, node);
  const isFirst = memory.recordPhase === 'Intent';
  // A Node that was made again: until our taint stands nothing keeps replacements away.
  const isTainted = hasFencedTaint(state.nodes.get(node), state.policy.driver);
  if (!isFirst && !isTainted) return;
  const pod = state.pods.get(keyOf(target));
  const group = pod === undefined ? keyOf(target) : groupOf(pod);
  const joined = memory.joined.get(group) ?? { first: new Set(), later: new Set() };
  joined[isFirst ? 'first' : 'later'].add(target.uid);
  memory.joined.set(group, joined);
}

/** Kept only as long as the pod is there, so that nothing piles up. */
function observePodChange(state: State, { kind, pod }: PodChange, outcome: Outcome): void {
  const isThere = state.pods.get(keyOf(pod))?.uid === pod.uid;
  if (isThere && outcome.kind !== 'Done') state.refusals.set(pod.uid, { kind, outcome });
  else state.refusals.delete(pod.uid);
}
