import type { NodeView, Taint } from '../shared/model.ts';
import { outOfServicePrefix, outOfServiceTaint, outOfServiceValue } from '../shared/names.ts';
import { type Action, action } from './actions.ts';

/** The out-of-service taint that this instance set. */
export function ownOutOfService(node: NodeView, driver: string): Taint | undefined {
  const value = outOfServiceValue(driver);
  return node.taints.find((taint) => taint.key === outOfServiceTaint && taint.value === value);
}

/** One that an instance of ours for another driver set: it is as short as our own. */
export function siblingOutOfService(node: NodeView, driver: string): Taint | undefined {
  const value = outOfServiceValue(driver);
  return node.taints.find(
    (taint) =>
      taint.key === outOfServiceTaint &&
      taint.value !== value &&
      taint.value.startsWith(outOfServicePrefix),
  );
}

/** One that somebody else set: another remediator works on this node. */
export function foreignOutOfService(node: NodeView): Taint | undefined {
  return node.taints.find(
    (taint) => taint.key === outOfServiceTaint && !taint.value.startsWith(outOfServicePrefix),
  );
}

/** Takes our own away. Needs no evidence and no record: it may never stand longer than needed. */
export function clearOutOfService(node: NodeView, driver: string): Action {
  const taint = { key: outOfServiceTaint, value: outOfServiceValue(driver) };
  return action('ClearTaint', taint.key, { node: node.name, nodeUid: node.uid, taint });
}
