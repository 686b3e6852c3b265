import type { Instant } from './clock.ts';
import type { KeyedAction } from './mode.ts';
import type { Outcome } from './outcome.ts';

export interface WorkQueueLimits {
  /** How many actions run at the same time. */
  readonly concurrency: number;
  /** The wait after the first failure of a key; it doubles with each one after. */
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** How long a done action waits for its effect to be observed before it is done once more. */
  readonly holdMs: number;
}

export const workQueueDefaults: WorkQueueLimits = {
  concurrency: 64,
  initialBackoffMs: 100,
  maxBackoffMs: 10_000,
  holdMs: 10_000,
};

/** One key: an action that is wanted, that runs, or both. */
interface Entry {
  scope: string;
  exclusive: boolean;
  wanted: boolean;
  running: boolean;
  /** In a row, since the key was first wanted. */
  failures: number;
  /** While it does not run: may start from then on. Its place in the line, too. */
  readyAt: Instant;
}

/** Compares what is wanted with what runs, backs off or is held; owned by the reconciler. */
export interface WorkQueue {
  readonly limits: WorkQueueLimits;
  readonly entries: Map<string, Entry>;
  /** How many run in each scope; scopes without any are absent. */
  readonly runningInScope: Map<string, number>;
  /** Scopes in which an exclusive action runs. */
  readonly exclusiveScopes: Set<string>;
  running: number;
}

export function createWorkQueue(limits: Partial<WorkQueueLimits> = {}): WorkQueue {
  return {
    limits: { ...workQueueDefaults, ...limits },
    entries: new Map(),
    runningInScope: new Map(),
    exclusiveScopes: new Set(),
    running: 0,
  };
}

/**
 * Takes the complete set of actions wanted now and returns those to start now; each counts as
 * running until it is settled. What is not wanted any more is forgotten with its back-off and its
 * hold, but a running action is never aborted: an aborted fence is an *unknown* fence.
 *
 * The lowest rank starts first. Within a rank it is who has been ready longest, so neither a crowd
 * of failing keys nor a stream of new ones starves anybody. An exclusive action that is next in its
 * scope lets nothing pass it there.
 * Of two wanted actions with the same key the first counts.
 */
export function offer<Action extends KeyedAction>(
  queue: WorkQueue,
  wanted: readonly Action[],
  now: Instant,
): { readonly start: readonly Action[] } {
  const start: Action[] = [];
  if (wanted.length === 0 && queue.entries.size === 0) return { start };
  const reserved = new Set<string>();
  for (const { action, entry } of readyInOrder(queue, wanted, now)) {
    if (queue.running >= queue.limits.concurrency) break;
    if (reserved.has(entry.scope) || !scopeAdmits(queue, entry)) {
      if (entry.exclusive) reserved.add(entry.scope);
      continue;
    }
    begin(queue, entry);
    start.push(action);
  }
  return { start };
}

interface Ready<Action extends KeyedAction> {
  readonly action: Action;
  readonly entry: Entry;
}

function readyInOrder<Action extends KeyedAction>(
  queue: WorkQueue,
  wanted: readonly Action[],
  now: Instant,
): readonly Ready<Action>[] {
  const byKey = new Map<string, Action>();
  for (const action of wanted) if (!byKey.has(action.key)) byKey.set(action.key, action);
  forgetUnwanted(queue, byKey);
  const ready: Ready<Action>[] = [];
  for (const action of byKey.values()) {
    const entry = entryOf(queue, action, now);
    if (!entry.running && entry.readyAt <= now) ready.push({ action, entry });
  }
  // Stable: among those ready since the same moment the order of the decision holds.
  return ready.sort(
    (a, b) => rankOf(a.action) - rankOf(b.action) || a.entry.readyAt - b.entry.readyAt,
  );
}

/**
 * Tells what became of a started action. Done: the key is held until it is no longer wanted, that
 * is, until its effect was observed, or for `holdMs`. Failed and Unknown: both are tried again
 * after a back-off, for as long as they are wanted. Settling a key that does not run is ignored.
 */
export function settle(queue: WorkQueue, key: string, outcome: Outcome, now: Instant): void {
  const entry = queue.entries.get(key);
  if (entry?.running !== true) return;
  end(queue, entry);
  if (!entry.wanted) {
    queue.entries.delete(key);
    return;
  }
  switch (outcome.kind) {
    case 'Done':
      entry.failures = 0;
      entry.readyAt = now + queue.limits.holdMs;
      return;
    case 'Failed':
    case 'Unknown':
      entry.failures += 1;
      entry.readyAt = now + backoffMs(queue.limits, key, entry.failures);
  }
}

/**
 * The next moment at which a back-off or a hold ends; undefined if there is none. What waits for
 * a place or for its scope needs no moment: the action in its way will be settled.
 */
export function nextWakeAt(queue: WorkQueue, now: Instant): Instant | undefined {
  let next: Instant | undefined;
  for (const entry of queue.entries.values()) {
    if (entry.running || entry.readyAt <= now) continue;
    if (next === undefined || entry.readyAt < next) next = entry.readyAt;
  }
  return next;
}

/** How many actions run, in one scope or, without one, altogether. */
export function inFlight(queue: WorkQueue, scope?: string): number {
  return scope === undefined ? queue.running : (queue.runningInScope.get(scope) ?? 0);
}

function rankOf({ rank = 0 }: KeyedAction): number {
  return rank;
}

function forgetUnwanted(queue: WorkQueue, wanted: ReadonlyMap<string, KeyedAction>): void {
  for (const [key, entry] of queue.entries) {
    if (wanted.has(key)) continue;
    entry.wanted = false;
    entry.failures = 0;
    if (!entry.running) queue.entries.delete(key);
  }
}

function entryOf(queue: WorkQueue, action: KeyedAction, now: Instant): Entry {
  const { key, scope, exclusive } = action;
  const known = queue.entries.get(key);
  if (known === undefined) {
    const entry = { scope, exclusive, wanted: true, running: false, failures: 0, readyAt: now };
    queue.entries.set(key, entry);
    return entry;
  }
  known.wanted = true;
  // A running one keeps the scope it was started in, so that the counts stay right.
  if (!known.running) Object.assign(known, { scope, exclusive });
  return known;
}

function scopeAdmits(queue: WorkQueue, entry: Entry): boolean {
  if (queue.exclusiveScopes.has(entry.scope)) return false;
  return !entry.exclusive || !queue.runningInScope.has(entry.scope);
}

function begin(queue: WorkQueue, entry: Entry): void {
  entry.running = true;
  queue.running += 1;
  queue.runningInScope.set(entry.scope, inFlight(queue, entry.scope) + 1);
  if (entry.exclusive) queue.exclusiveScopes.add(entry.scope);
}

function end(queue: WorkQueue, entry: Entry): void {
  entry.running = false;
  queue.running -= 1;
  const left = inFlight(queue, entry.scope) - 1;
  if (left === 0) queue.runningInScope.delete(entry.scope);
  else queue.runningInScope.set(entry.scope, left);
  if (entry.exclusive) queue.exclusiveScopes.delete(entry.scope);
}

/**
 * Doubles with each failure up to the maximum. A quarter of it depends on the key alone: keys that
 * failed together (a node's pods, say) do not come back together, yet the same run repeats itself.
 */
function backoffMs(limits: WorkQueueLimits, key: string, failures: number): number {
  const full = Math.min(limits.maxBackoffMs, limits.initialBackoffMs * 2 ** (failures - 1));
  return full * (0.75 + 0.25 * fraction(`${key}#${failures}`));
}

/** FNV-1a, as a number in [0, 1). */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32;
}
