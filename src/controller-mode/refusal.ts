import type { Instant } from '../shared/clock.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { ActionOf } from './actions.ts';
import { type Hold, hold } from './hold.ts';

export type PodChange = ActionOf<'MarkPod' | 'EndPod' | 'Evict'>;
/** The record of an episode, and the taint. */
export type NodeChange = ActionOf<'BeginEpisode' | 'SetTaint' | 'ClearTaint'>;

type InVain = Exclude<Outcome, { readonly kind: 'Done' }>;

/** What came last of a change of ours to a pod, which was in vain. */
export interface Refusal {
  readonly kind: PodChange['kind'];
  readonly outcome: InVain;
}

/** The same of a node. What is wanted is tried again every few seconds, so an old one is over. */
export interface NodeRefusal {
  readonly kind: NodeChange['kind'];
  readonly outcome: InVain;
  readonly at: Instant;
}

/** Several times as long as the work queue waits before it tries again (workqueue.ts). */
const freshMs = 60_000;

/** Our view is behind: the object is gone or another one by now, or the record has changed. */
const lateCodes: ReadonlySet<string> = new Set([
  'HTTP_404',
  'HTTP_409',
  'OTHER_EPOCH',
  'OTHER_PHASE',
]);

/** It was too late for the change, which nobody has refused. */
export function isLate({ code }: InVain): boolean {
  return lateCodes.has(code);
}

/** What came back, as people read it. */
export function answerIn({ code, detail }: InVain): string {
  return `the API answered ${code}: ${detail}`;
}

/** What people are told of a change to the node, if the API has just refused it. */
export function refusedHold(
  refusal: NodeRefusal | undefined,
  kind: NodeChange['kind'],
  now: Instant,
): Hold | undefined {
  if (refusal?.kind !== kind || now - refusal.at >= freshMs) return undefined;
  const { outcome } = refusal;
  // All other codes are ours: something has changed since it was decided.
  if (!outcome.code.startsWith('HTTP_') || isLate(outcome)) return undefined;
  const answer = answerIn(outcome);
  return kind === 'BeginEpisode' ? hold('record-refused', answer) : hold('taint-refused', answer);
}
