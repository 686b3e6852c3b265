import type { AttachmentView } from '../shared/model.ts';
import { type Episode, hasOwnTaint, isOfStorage } from './episode.ts';
import type { State } from './state.ts';
import { attachmentOf, hasAttacherFinalizer } from './volumes.ts';

/**
 * `--unsafe-move-without-fence`: a person takes upon himself that the old pod may go on writing.
 * Nothing of the safety argument holds then but the order of the steps. What can be held is held
 * and waited for all the same; only what nobody can hold is no reason to wait.
 */
export function isUnsafe(state: State): boolean {
  return state.policy.fence.kind === 'unsafe';
}

/**
 * Whether a hold may begin. Without its finalizer the attacher does nothing about a deletion; of
 * a driver that cannot unpublish it never puts one on (external-attacher trivialHandler), and then
 * the hold only keeps attach/detach from coming back.
 */
export function isHoldable(state: State, attachment: AttachmentView): boolean {
  return hasAttacherFinalizer(attachment) || isBare(state);
}

/** No VolumeAttachment of this driver ever waits for the attacher. */
export function isBare(state: State): boolean {
  return isUnsafe(state) && state.capabilities?.publishUnpublish === false;
}

/**
 * There is no VolumeAttachment to hold, and nobody to end the pods: all that keeps a replacement
 * away is our taint.
 */
export function hasNothingToHold(episode: Episode): boolean {
  const { situation, record, node, members } = episode;
  const { state, nodeName } = situation;
  return (
    isUnsafe(state) &&
    !isOfStorage(record) &&
    members.length > 0 &&
    (node === undefined || hasOwnTaint(episode)) &&
    record.volumes.every(({ pv }) => attachmentOf(state, nodeName, pv) === undefined)
  );
}
