import type { NodeView } from '../shared/model.ts';
import { fencedTaint } from '../shared/names.ts';

/** Our NoSchedule taint, of the instance beside this driver, stands on the node by our view. */
export function hasFencedTaint(node: NodeView, driver: string): boolean {
  const taint = fencedTaint(driver);
  return node.taints.some(({ key }) => key === taint);
}
