import type { PodView } from '../shared/model.ts';
import type { Episode } from './episode.ts';
import { hold } from './hold.ts';
import { podWaits } from './notices.ts';
import type { Wanted } from './wanted.ts';

/** Our view is behind: the pod is gone or another one by now, or the record has changed. */
const lateCodes: ReadonlySet<string> = new Set([
  'HTTP_404',
  'HTTP_409',
  'OTHER_EPOCH',
  'OTHER_PHASE',
]);

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
  const { code, detail } = refusal.outcome;
  if (step === 'mark' && lateCodes.has(code)) return;
  const answer = `the API answered ${code}: ${detail}`;
  const why = step === 'mark' ? hold('mark-refused', answer) : hold('eviction-refused', answer);
  wanted.notices.push(podWaits(episode, pod, why));
}
