import type { Instant } from '../shared/clock.ts';
import { isBad } from '../shared/health.ts';
import type { PodView } from '../shared/model.ts';
import { observeLeft } from './attach-attempt.ts';
import { readIntent } from './pod-intent.ts';
import type { NodeMemory } from './node-memory.ts';
import { type State, memoryOf } from './state.ts';
import { troubleWith } from './trouble.ts';
import { isFinished } from './volumes.ts';

/** The least time that a kubelet gets to take a volume off after its last pod has ended. */
const unmountPatienceMs = 2_000;

/** An agent reports volumes of pods only, and may have looked after this one was unmounted. */
const lookedMs = 5_000;

/** When pods began to end, and when those of an episode left their volumes. */
export function observeEnding(
  state: State,
  before: PodView | undefined,
  after: PodView | undefined,
  now: Instant,
): void {
  const same = before?.uid === after?.uid ? after : undefined;
  if (before !== undefined) {
    const ends = !isFinished(before) && (same === undefined || isFinished(same));
    if (ends) {
      observeLeft(state, before, now);
      leave(state, before, now);
    }
    if (same === undefined) state.deletingSince.delete(before.uid);
  }
  if (after?.deleting === true && !state.deletingSince.has(after.uid)) {
    state.deletingSince.set(after.uid, now);
  }
}

function leave(state: State, pod: PodView, now: Instant): void {
  const intent = readIntent(pod, state.policy.driver);
  if (intent === undefined || intent.node !== pod.nodeName) return;
  const memory = memoryOf(state, intent.node);
  const { unmountDueAt, recordEpoch } = memory;
  if (intent.epoch !== recordEpoch) return;
  const endingSince = state.deletingSince.get(pod.uid) ?? now;
  const dueAt = Math.max(endingSince + state.policy.gracefulTimeoutMs, now + unmountPatienceMs);
  for (const { pv, handle } of intent.volumes) {
    if (!wasBad(memory, handle, now)) continue;
    unmountDueAt.set(pv, Math.max(unmountDueAt.get(pv) ?? dueAt, dueAt));
  }
}

/** Its trouble lasted until the pod let go of it; one that was well again is unmounted soon. */
function wasBad(memory: NodeMemory, handle: string, now: Instant): boolean {
  const trouble = troubleWith(memory, handle);
  if (trouble === undefined || !isBad(trouble.health)) return false;
  return trouble.goneAt === undefined || now - trouble.goneAt < lookedMs;
}
