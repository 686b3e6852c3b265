import type { NodeView } from '../shared/model.ts';
import { dryRunAnnotation, pausedAnnotation, unavailableTaint } from '../shared/names.ts';
import { action } from './actions.ts';
import type { State } from './state.ts';
import { switchValue } from './switches.ts';
import type { Verdict } from './verdict.ts';
import type { Wanted } from './wanted.ts';

/**
 * Keeps new pods away from nodes whose driver does not answer, and lets them back. Nothing is
 * moved. At most as many nodes as the storm bound allows: a broken roll-out of a driver must not
 * make a whole cluster unschedulable.
 */
export function keepFromBrokenDrivers(
  state: State,
  verdicts: ReadonlyMap<string, Verdict>,
  wanted: Wanted,
): void {
  const key = unavailableTaint(state.policy.driver);
  const down = [...verdicts].filter(([, verdict]) => verdict.kind === 'DriverDown');
  const { maxLostNodes } = state.policy;
  const bound =
    'count' in maxLostNodes
      ? maxLostNodes.count
      : Math.max(1, Math.round((verdicts.size * maxLostNodes.percent) / 100));
  for (const [nodeName, verdict] of verdicts) {
    const node = state.nodes.get(nodeName);
    if (node === undefined) continue;
    const tainted = node.taints.some((taint) => taint.key === key);
    const fields = { node: nodeName, nodeUid: node.uid, taint: { key, value: '' } };
    const mayTaint = down.length <= bound && !isStill(state, node);
    if (verdict.kind === 'DriverDown' && !tainted && mayTaint) {
      wanted.actions.push(action('SetTaint', key, fields));
    } else if (tainted && verdict.kind === 'Alive' && verdict.reason === 'heartbeat') {
      wanted.actions.push(action('ClearTaint', key, fields));
    }
  }
}

/** A person has said that nothing is to be done, for all nodes or for this one. */
function isStill(state: State, node: NodeView): boolean {
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
