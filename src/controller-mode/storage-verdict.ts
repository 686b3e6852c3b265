import type { Instant } from '../shared/clock.ts';
import type { Trouble } from './evidence.ts';
import { type Overview, aloneAt, isUsable, ruleOf, sustainedAt } from './scope.ts';
import { type State, memoryOf } from './state.ts';
import { isBadNow, isOver, overAt, troubleWith } from './trouble.ts';
import { attachmentsOn, isAttachless, ourVolumes, podsOn } from './volumes.ts';

/** What trouble with volumes says of a node whose agent and kubelet live. */
export interface StorageFinding {
  /** `lost`: some of its volumes cannot be used there, and it is this node. */
  readonly kind: 'well' | 'troubled' | 'lost';
  readonly reason: 'heartbeat' | 'storage-troubled' | 'volume-inaccessible' | 'storage-unreachable';
  readonly since: Instant;
  /** The handles of what is lost. */
  readonly handles: ReadonlySet<string>;
  /** When time alone may change this. */
  readonly changesAt: Instant | undefined;
}

export function storageFinding(
  state: State,
  node: string,
  now: Instant,
  overview: Overview,
): StorageFinding {
  // Asked of every node in every decision; nearly all of them have no trouble.
  if (!state.troubledNodes.has(node) && !hasBeenTroubled(state, node)) return neverTroubled;
  const moments: Instant[] = [];
  const lost: { readonly handle: string; readonly since: Instant; readonly all: boolean }[] = [];
  for (const [handle, trouble] of badVolumes(state, node)) {
    const memory = memoryOf(state, node);
    moments.push(sustainedAt(state, memory, trouble), aloneAt(state, memory, trouble, handle));
    const { moves, scope } = ruleOf(state, { node, handle }, now, overview);
    if (moves === 'move')
      lost.push({ handle, since: trouble.since, all: scope !== 'volume-on-node' });
  }
  const whole = wholeNode(state, node, now);
  moments.push(...whole.moments);
  const changesAt = moments.filter((at) => at > now).toSorted((a, b) => a - b)[0];
  if (lost.length === 0) {
    const [kind, reason] =
      whole.since === undefined
        ? (['well', 'heartbeat'] as const)
        : (['troubled', 'storage-troubled'] as const);
    return { kind, reason, since: whole.since ?? now, handles: none, changesAt };
  }
  return {
    kind: 'lost',
    reason: lost.some(({ all }) => all) ? 'storage-unreachable' : 'volume-inaccessible',
    since: Math.min(...lost.map(({ since }) => since)),
    handles: new Set(lost.map(({ handle }) => handle)),
    changesAt,
  };
}

const none: ReadonlySet<string> = new Set();

const neverTroubled: StorageFinding = {
  kind: 'well',
  reason: 'heartbeat',
  since: Number.NEGATIVE_INFINITY,
  handles: none,
  changesAt: undefined,
};

function hasBeenTroubled(state: State, node: string): boolean {
  const { storage, most } = memoryOf(state, node);
  return storage !== undefined || most !== undefined;
}

/**
 * Volumes that the node has and that it reports bad, each with the trouble; all of the
 * driver's there if the way to the storage is gone.
 */
export function badVolumes(state: State, node: string): ReadonlyMap<string, Trouble> {
  const memory = memoryOf(state, node);
  const bad = new Map<string, Trouble>();
  const handles = new Set(memory.troubles.keys());
  if (isBadNow(memory.storage)) {
    for (const { driver, pv } of attachmentsOn(state, node)) {
      if (driver === state.policy.driver) handles.add(state.pvs.get(pv)?.handle ?? '');
    }
    const pods = isAttachless(state) ? podsOn(state, node) : [];
    for (const { handle } of pods.flatMap((pod) => ourVolumes(state, pod))) handles.add(handle);
  }
  for (const handle of handles) {
    const trouble = troubleWith(memory, handle);
    if (isBadNow(trouble) && isUsable(state, node, handle)) bad.set(handle, trouble);
  }
  return bad;
}

/** Since when the whole node has trouble that is not over. */
function wholeNode(
  state: State,
  node: string,
  now: Instant,
): { readonly since: Instant | undefined; readonly moments: readonly Instant[] } {
  const memory = memoryOf(state, node);
  const troubles = [memory.storage, memory.most].filter((trouble) => trouble !== undefined);
  const lasting = troubles.filter((trouble) => !isOver(state, memory, trouble, now));
  const since = lasting.length === 0 ? undefined : Math.min(...lasting.map((one) => one.since));
  return { since, moments: lasting.flatMap((trouble) => overAt(state, trouble)) };
}

/** Nothing is reported any more of these volumes of the node, and that is not just silence. */
export function hasRecovered(
  state: State,
  node: string,
  handles: readonly string[],
  now: Instant,
): boolean {
  const memory = memoryOf(state, node);
  return handles.every((handle) => {
    const trouble = troubleWith(memory, handle);
    return trouble === undefined || isOver(state, memory, trouble, now);
  });
}
