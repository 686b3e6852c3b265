import type { Instant } from '../shared/clock.ts';
import type { PodView } from '../shared/model.ts';
import { intentAnnotation } from '../shared/names.ts';
import { decodePodIntent } from '../shared/record.ts';
import { type State, memoryOf } from './state.ts';
import { isFinished } from './volumes.ts';

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
    if (ends) leave(state, before, now);
    if (same === undefined) state.deletingSince.delete(before.uid);
  }
  if (after?.deleting === true && !state.deletingSince.has(after.uid)) {
    state.deletingSince.set(after.uid, now);
  }
}

function leave(state: State, pod: PodView, now: Instant): void {
  const intent = decodePodIntent(pod.annotations[intentAnnotation(state.policy.driver)]);
  if (intent === undefined || intent.node !== pod.nodeName) return;
  const { leftAt, recordEpoch } = memoryOf(state, intent.node);
  if (intent.epoch !== recordEpoch) return;
  for (const { pv } of intent.volumes) leftAt.set(pv, now);
}
