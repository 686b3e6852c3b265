import type { Instant } from '../shared/clock.ts';
import type { NodeView, Taint } from '../shared/model.ts';
import { outOfServicePrefix, outOfServiceTaint, outOfServiceValue } from '../shared/names.ts';
import { action } from './actions.ts';
import type { NodeMemory } from './node-memory.ts';
import { outOfServiceCapMs } from './policy.ts';
import { type State, memoryOf } from './state.ts';
import type { Wanted } from './wanted.ts';

/** How long one attempt to take it off has, before the next one begins beside it. */
const clearAgainMs = 2_000;

/** The out-of-service taint that this instance set. */
export function ownOutOfService(node: NodeView, driver: string): Taint | undefined {
  return node.taints.find(
    ({ key, value }) => key === outOfServiceTaint && value === outOfServiceValue(driver),
  );
}

/** One that an instance of ours for another driver set: it is as short as our own. */
export function siblingOutOfService(node: NodeView, driver: string): Taint | undefined {
  return node.taints.find(
    ({ key, value }) =>
      key === outOfServiceTaint &&
      value.startsWith(outOfServicePrefix) &&
      value !== outOfServiceValue(driver),
  );
}

/** One that somebody else set: another remediator works on this node. */
export function foreignOutOfService(node: NodeView): Taint | undefined {
  return node.taints.find(
    (taint) => taint.key === outOfServiceTaint && !taint.value.startsWith(outOfServicePrefix),
  );
}

/** Since when it stands: as we see it, or as we have set it, while our view does not show it. */
export function standsSince({
  outOfServiceSeenAt,
  outOfServiceSetAt,
}: NodeMemory): Instant | undefined {
  return outOfServiceSeenAt ?? outOfServiceSetAt;
}

/**
 * Takes our own away. Needs no evidence and no record: it may never stand longer than needed. A
 * request may be lost, and then its answer is waited for until --timeout: so from the moment at
 * which the taint must go, another attempt begins every few seconds beside those before it. The
 * Node's version lets only one of them change anything.
 */
export function clearOutOfService(
  node: NodeView,
  { state, now }: { readonly state: State; readonly now: Instant },
  wanted: Wanted,
): void {
  const { driver } = state.policy;
  const dueAt = (standsSince(memoryOf(state, node.name)) ?? now) + outOfServiceCapMs;
  const attempt = now < dueAt ? 0 : 1 + Math.floor((now - dueAt) / clearAgainMs);
  wanted.wakeAt.push(dueAt + attempt * clearAgainMs);
  const taint = { key: outOfServiceTaint, value: outOfServiceValue(driver) };
  const identity = attempt === 0 ? taint.key : `${taint.key}/${attempt}`;
  const fields = { node: node.name, nodeUid: node.uid, taint };
  wanted.actions.push(action('ClearTaint', identity, fields));
}
