import { backoffMs } from './retry.ts';

/** How one step of a reflector (a list or a watch) came to its end. */
export type StepEnd =
  /** A paged list is complete; a watch from its resourceVersion follows. */
  | { readonly kind: 'Listed' }
  /** The server's own end of a watch, as `timeoutSeconds` asked for: nothing is wrong. */
  | { readonly kind: 'Ended' }
  /** No answer, or the connection is dead; `silent`: it was open, and nothing came any more. */
  | { readonly kind: 'Broken'; readonly reason: string; readonly silent?: true }
  /** The server answered something else than a watch or list. */
  | { readonly kind: 'Refused'; readonly reason: string; readonly retryAfterMs: number }
  /** 410: our resourceVersion is too old, only a new list helps. */
  | { readonly kind: 'Gone'; readonly reason: string }
  /** A line that we could not understand: an event was missed, only a new list helps. */
  | { readonly kind: 'Missed'; readonly reason: string }
  /** The server does not know watch-lists. */
  | { readonly kind: 'Unsupported'; readonly reason: string };

export interface StepResult {
  readonly end: StepEnd;
  /** Since the server answered 200; 0 if it never did. */
  readonly livedMs: number;
  /** Changes delivered that were not part of a list. */
  readonly delivered: number;
  /** Whether a complete list is known and can be watched on from its resourceVersion. */
  readonly synced: boolean;
}

/** What a reflector does next, and what it has learnt. */
export interface WatchPlan {
  readonly step: 'WatchList' | 'List' | 'Watch';
  /** False once the server showed that it does not know watch-lists. */
  readonly watchLists: boolean;
  /** Steps in a row that brought nothing. */
  readonly failures: number;
  /** Answers in a row that refused a watch. */
  readonly refusals: number;
  readonly delayMs: number;
}

export const firstPlan: WatchPlan = {
  step: 'WatchList',
  watchLists: true,
  failures: 0,
  refusals: 0,
  delayMs: 0,
};

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  /** A stream that lived this long was a good one: the next failure starts from the bottom. */
  readonly goodAfterMs: number;
}

/**
 * A watch refused this often in a row is not tried further: the server may have lost our
 * resourceVersion without saying 410 (etcd restored from a backup answers "too large").
 */
const maxRefusals = 5;

/** Decides the next step after one has ended. */
export function planAfter(
  plan: WatchPlan,
  result: StepResult,
  backoff: Backoff,
  random: () => number,
): WatchPlan {
  const { end } = result;
  if (end.kind === 'Listed') return { ...plan, step: 'Watch', delayMs: 0 };
  if (end.kind === 'Unsupported') return { ...plan, watchLists: false, step: 'List', delayMs: 0 };
  const failures = failuresAfter(plan, result, backoff);
  const refusals = end.kind === 'Refused' ? plan.refusals + 1 : 0;
  const listAgain =
    !result.synced || end.kind === 'Gone' || end.kind === 'Missed' || refusals >= maxRefusals;
  const pauseMs = failures === 0 ? 0 : backoffMs(failures, backoff, random);
  return {
    step: listAgain ? (plan.watchLists ? 'WatchList' : 'List') : 'Watch',
    watchLists: plan.watchLists,
    failures,
    refusals: listAgain ? 0 : refusals,
    delayMs: end.kind === 'Refused' ? Math.max(pauseMs, end.retryAfterMs) : pauseMs,
  };
}

/**
 * A stream that lived long or delivered was a good one. What forces a new list counts as good
 * only by its life: the events after a list would otherwise excuse listing again and again.
 */
function failuresAfter(plan: WatchPlan, result: StepResult, backoff: Backoff): number {
  const { end, livedMs, delivered, synced } = result;
  const listsAgain = end.kind === 'Gone' || end.kind === 'Missed';
  const good = synced && (livedMs >= backoff.goodAfterMs || (delivered > 0 && !listsAgain));
  const before = good ? 0 : plan.failures;
  return good && end.kind === 'Ended' ? 0 : before + 1;
}
