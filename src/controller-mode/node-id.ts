import type { Effect, Reply } from '../shared/effect.ts';
import type { AttachmentView } from '../shared/model.ts';
import { type Outcome, failed, outcomeOfHttp } from '../shared/outcome.ts';
import { asObject, textIn } from '../shared/untrusted-json.ts';
import * as api from './requests.ts';
import type { State } from './state.ts';
import { holdOf, isConfirmed } from './volumes.ts';

/**
 * Under which id the node was known to the storage when the attacher took a volume away from it.
 * The attacher unpublishes the id that CSINode names at that moment, and calls it done even if the
 * volume was published to another one; only without an entry it takes the id that it has noted
 * (external-attacher csi_handler.go, getNodeID). When the node registers anew in the middle of the
 * fence, nobody knows which one it took; a driver that lists published nodes tells.
 */

/** The fence of this volume rests on the id alone: no listing of the driver says more. */
export function restsOnNodeId(state: State, attachment: AttachmentView): boolean {
  if (attachment.nodeId === '') return false;
  return isConfirmed(state, attachment) && state.capabilities?.listsPublishedNodes === false;
}

/** Why the fence may have been sent to another id, by our view; undefined: it was not. */
export function otherNodeId(state: State, attachment: AttachmentView): string | undefined {
  const { nodeName, nodeId } = attachment;
  // One that is only begun is not deleted any more (act.ts), whoever lists what.
  const isBegun = nodeId !== '' && holdOf(attachment) === 'begun';
  if (!isBegun && !restsOnNodeId(state, attachment)) return undefined;
  const current = state.csinodes.get(nodeName)?.nodeIds[state.policy.driver];
  return current === undefined || current === nodeId
    ? undefined
    : `it was published to node id ${nodeId}, CSINode says ${current} now`;
}

/**
 * The same by a consistent read, since our watch of CSINodes may be late. Read before a volume is
 * taken away it keeps the attacher from the wrong one, but for a change in between; read after that
 * it proves which one it took: the id that stands before and after has stood all the time.
 */
export function* readOtherNodeId(
  node: string,
  driver: string,
  published: readonly string[],
): Generator<Effect, Outcome | undefined, Reply> {
  const known = published.filter((id) => id !== '');
  if (known.length === 0) return undefined;
  const found = yield* api.get('csinodes', { namespace: '', name: node });
  if (found.status === 404) return undefined;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the CSINode');
  const drivers = api.objects(asObject(found.body?.spec)?.drivers);
  const current = textIn(drivers.find(({ name }) => name === driver)?.nodeID);
  const other = known.find((id) => current !== '' && current !== id);
  if (other === undefined) return undefined;
  return failed('NODE_ID_CHANGED', `published to node id ${other}, CSINode says ${current}`);
}
