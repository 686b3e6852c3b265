import type { Outcome } from '../shared/outcome.ts';
import type { ActionOf } from './actions.ts';

export type PodChange = ActionOf<'MarkPod' | 'EndPod' | 'Evict'>;

/** What came last of a change of ours to a pod, which was in vain. */
export interface Refusal {
  readonly kind: PodChange['kind'];
  readonly outcome: Exclude<Outcome, { readonly kind: 'Done' }>;
}
