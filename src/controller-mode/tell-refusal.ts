import type { PodView } from '../shared/model.ts';
import type { Episode } from './episode.ts';
import { hold } from './hold.ts';
import { podWaits } from './notices.ts';
import { answerIn, isLate } from './refusal.ts';
import type { Wanted } from './wanted.ts';

/**
 * An admission webhook, say, that ran on the very node that has failed: the pod waits for nothing
 * that its own objects show, so it must be said.
 */
export function tellRefusal(
  episode: Episode,
  pod: PodView,
  step: 'mark' | 'eviction',
  wanted: Wanted,
): void {
  const refusal = episode.situation.state.refusals.get(pod.uid);
  if (refusal === undefined || (refusal.kind === 'MarkPod') !== (step === 'mark')) return;
  const { outcome } = refusal;
  if (step === 'mark' && isLate(outcome)) return;
  const answer = answerIn(outcome);
  const why = step === 'mark' ? hold('mark-refused', answer) : hold('eviction-refused', answer);
  wanted.notices.push(podWaits(episode, pod, why));
}
