import type { Performance } from '../shared/effect.ts';
import { done, failed, type Outcome } from '../shared/outcome.ts';
import type { ActionOf } from './actions.ts';

/** The code of a listing that names the node: one that says nothing of it has another. */
export const stillPublished = 'STILL_PUBLISHED';
const strangers = 'PUBLISHED_TO_STRANGER';

/** The driver answered, and with this code it said that the volume is not off. */
export function isListed(code: string | undefined): boolean {
  return code === stillPublished || code === strangers;
}

/**
 * Only for drivers that list published nodes: the driver's own word that the node is off. Each
 * volume stands for itself: one that the array is slow to revoke keeps no other pod waiting.
 */
export function* verifyRevoked(action: ActionOf<'VerifyRevoked'>): Performance {
  const handles = action.volumes.map(({ handle }) => handle);
  const reply = yield { target: 'csi', call: 'PublishedNodes', handles };
  if (reply.target !== 'csi') return failed('WRONG_REPLY', 'not an answer of the driver');
  if (reply.outcome.kind === 'Failed' && reply.outcome.code === 'UNIMPLEMENTED') {
    // It advertises a listing that it does not have; the attacher's confirmation stands alone.
    return done;
  }
  if (reply.outcome.kind !== 'Done') return reply.outcome;
  const { publishedNodes } = reply;
  const { knownNodeIds, volumes } = action;
  const doubt = (volume: PublishedVolume) => doubtOf(volume, publishedNodes, knownNodeIds);
  const [first] = volumes.flatMap((volume) => doubt(volume) ?? []);
  if (first === undefined) return done;
  const sure = volumes.filter((volume) => doubt(volume) === undefined);
  return sure.length === 0 ? first : { kind: 'Done', only: sure.map(({ uid }) => uid) };
}

type PublishedVolume = ActionOf<'VerifyRevoked'>['volumes'][number];

/**
 * Why the listing does not prove that this volume was taken away; undefined: it does. An id that no
 * node goes by may be this machine's former one: when CSINode changes, the attacher publishes to
 * the new id, notes that on the VolumeAttachment, and never unpublishes the old one.
 */
function doubtOf(
  { handle, nodeId }: PublishedVolume,
  publishedNodes: ReadonlyMap<string, readonly string[]>,
  knownNodeIds: ReadonlySet<string>,
): Outcome | undefined {
  if (nodeId === '') return failed('NO_NODE_ID', `nobody knows the node id of volume ${handle}`);
  const nodes = publishedNodes.get(handle);
  if (nodes === undefined) return failed('NOT_LISTED', `volume ${handle} was not in the listing`);
  if (nodes.includes(nodeId)) return failed(stillPublished, `volume ${handle} at ${nodeId}`);
  const stranger = nodes.find((id) => !knownNodeIds.has(id));
  if (stranger === undefined) return undefined;
  return failed(strangers, `volume ${handle} at ${stranger}, which no CSINode names`);
}
