/** What we would unmount ourselves, and since when. Lost with the process; then it takes longer. */
import type { Instant } from '../shared/clock.ts';
import type { Unmount } from './actions.ts';
import type { Cleaning, Kept } from './unmount.ts';

export interface CleaningHistory {
  attempts: number;
  /** Of the last look, by path, with the moment from which on every look has shown them. */
  candidates: ReadonlyMap<string, Candidate>;
  kept: readonly Kept[];
}

interface Candidate {
  readonly unmount: Unmount;
  readonly since: Instant;
  readonly triedAt: Instant | undefined;
}

/** For the kubelet to unmount by itself, and between two tries of ours. */
const patienceMs = 30_000;

export function createCleaning(): CleaningHistory {
  return { attempts: 0, candidates: new Map(), kept: [] };
}

export function noteCleaning(
  history: CleaningHistory,
  { unmounts, kept }: Cleaning,
  now: Instant,
): void {
  const { candidates: earlier } = history;
  const candidates = unmounts.map((unmount): [string, Candidate] => {
    const { since = now, triedAt } = earlier.get(unmount.path) ?? {};
    return [unmount.path, { unmount, since, triedAt }];
  });
  history.candidates = new Map(candidates);
  history.kept = kept;
}

export function noteTry(history: CleaningHistory, { path }: Unmount, now: Instant): void {
  history.attempts += 1;
  const candidate = history.candidates.get(path);
  if (candidate === undefined) return;
  history.candidates = new Map([...history.candidates, [path, { ...candidate, triedAt: now }]]);
}

export function forgetCleaning(history: CleaningHistory): void {
  history.candidates = new Map();
  history.kept = [];
}

/**
 * What is due next, and when. What a kubelet that works since `okSince` has left for so long it
 * leaves for good: it tries at once, and again after half a second, one second, and so on
 * (pkg/util/goroutinemap/exponentialbackoff).
 */
export function nextUnmount(
  { candidates }: CleaningHistory,
  okSince: Instant,
): { readonly unmount: Unmount; readonly dueAt: Instant } | undefined {
  const [next] = [...candidates.values()]
    .map(({ unmount, since, triedAt = since }) => {
      return { unmount, dueAt: Math.max(okSince, triedAt) + patienceMs };
    })
    .toSorted((a, b) => a.dueAt - b.dueAt);
  return next;
}
