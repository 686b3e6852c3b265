import type { Instant } from '../shared/clock.ts';
import { type State, memoryOf } from './state.ts';
import { isBadNow } from './trouble.ts';
import { attachmentsOn } from './volumes.ts';

/** How old the answer to `troubledHandles` may be: it is asked for many times a second. */
const keepMs = 1_000;

/** Handles of the driver's volumes that are bound to a claim, in the order of their PVs. */
export function boundHandles(state: State): readonly string[] {
  const handles = new Set<string>();
  for (const name of state.pvs.keys()) {
    const handle = boundHandle(state, name);
    if (handle !== undefined) handles.add(handle);
  }
  return [...handles];
}

/** Those that a node finds bad just now, of all nodes together. */
export function troubledHandles(state: State, now: () => Instant): () => readonly string[] {
  let handles: readonly string[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (now() - readAt < keepMs) return handles;
    readAt = now();
    const found = new Set<string>();
    for (const node of state.troubledNodes) {
      const { troubles, storage } = memoryOf(state, node);
      for (const { pv } of attachmentsOn(state, node)) {
        const handle = boundHandle(state, pv);
        if (handle === undefined) continue;
        if (isBadNow(storage) || isBadNow(troubles.get(handle))) found.add(handle);
      }
    }
    handles = [...found];
    return handles;
  };
}

function boundHandle({ pvs, policy }: State, name: string): string | undefined {
  const pv = pvs.get(name);
  if (pv === undefined || pv.driver !== policy.driver || pv.claimUid === '') return undefined;
  return pv.handle === '' ? undefined : pv.handle;
}
