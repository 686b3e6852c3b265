import type { NodeView } from '../shared/model.ts';
import { dryRunAnnotation, pausedAnnotation, unavailableTaint } from '../shared/names.ts';
import { action } from './actions.ts';
import { stormBound } from './policy.ts';
import type { State } from './state.ts';
import { switchValue } from './switches.ts';
import type { Verdict } from './verdict.ts';
import type { Wanted } from './wanted.ts';

/**
 * Keeps new pods away from nodes whose driver does not answer or whose way to the storage is lost,
 * and lets them back when somebody has seen that all is well. Nothing is moved by this. At most as
 * many nodes as the storm bound allows: a broken roll-out of a driver must not make a whole
 * cluster unschedulable.
 */
export function keepFromBrokenNodes(
  state: State,
  verdicts: ReadonlyMap<string, Verdict>,
  wanted: Wanted,
): void {
  const key = unavailableTaint(state.policy.driver);
  const tooMany = countDown(verdicts) > stormBound(state.policy, verdicts.size);
  for (const [nodeName, verdict] of verdicts) {
    const node = state.nodes.get(nodeName);
    if (node === undefined) continue;
    const down = isDown(verdict);
    if (!down && node.taints.length === 0) continue;
    const tainted = node.taints.some((taint) => taint.key === key);
    const fields = { node: nodeName, nodeUid: node.uid, taint: { key, value: '' } };
    const mayTaint = !tooMany && !isStill(state, node);
    if (down && !tainted && mayTaint) {
      wanted.actions.push(action('SetTaint', key, fields));
    } else if (tainted && verdict.kind === 'Alive' && verdict.reason === 'heartbeat') {
      wanted.actions.push(action('ClearTaint', key, fields));
    }
  }
}

export function countDown(verdicts: ReadonlyMap<string, Verdict>): number {
  let down = 0;
  for (const verdict of verdicts.values()) if (isDown(verdict)) down += 1;
  return down;
}

export function isDown({ kind, reason }: Verdict): boolean {
  return kind === 'DriverDown' || (kind === 'StorageLost' && reason === 'storage-unreachable');
}

/** A person has said that nothing is to be done, for all nodes or for this one. */
export function isStill(state: State, node: NodeView): boolean {
  const switches = [
    ['paused', pausedAnnotation],
    ['dry-run', dryRunAnnotation],
  ] as const;
  return (
    state.policy.dryRun ||
    switches.some(
      ([word, annotation]) => switchValue(state, word) || node.annotations[annotation] === 'true',
    )
  );
}
