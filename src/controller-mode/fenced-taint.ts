import type { NodeView } from '../shared/model.ts';
import { fencedTaint } from '../shared/names.ts';

/**
 * Our NoSchedule taint, of the instance beside this driver, stands on the node by our view. A Node
 * that was deleted carries nothing.
 */
export function hasFencedTaint(node: NodeView | undefined, driver: string): boolean {
  if (node === undefined) return false;
  const taint = fencedTaint(driver);
  return node.taints.some(({ key }) => key === taint);
}
