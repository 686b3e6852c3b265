import type { FenceRecord } from '../shared/record.ts';
import { action } from './actions.ts';
import { heartbeatTarget } from './begin.ts';
import type { Situation } from './guards.ts';
import { lockedUntil } from './episode.ts';
import { isFailed, type Verdict } from './verdict.ts';
import { attachmentOf, attachmentsOn, holdOf } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * A finalizer of ours on a VolumeAttachment that nobody deletes and no record lists: a leader was
 * stopped between the two writes of a hold. On a node that lives it is taken off again, once no
 * call of that leader can be on its way any more.
 */
export function undoStrayHolds(
  situation: Situation,
  verdict: Verdict,
  record: FenceRecord | undefined,
  wanted: Wanted,
): void {
  const { state, nodeName } = situation;
  if (isFailed(verdict)) return;
  const listed = new Set(record?.volumes.map(({ pv }) => attachmentOf(state, nodeName, pv)?.name));
  const stray = attachmentsOn(state, nodeName).filter(
    (attachment) =>
      attachment.driver === state.policy.driver &&
      holdOf(attachment) === 'begun' &&
      !listed.has(attachment.name),
  );
  if (stray.length === 0) return;
  const locked = lockedUntil(situation);
  if (locked !== undefined) {
    wanted.wakeAt.push(locked);
    return;
  }
  const heartbeat = heartbeatTarget(state, nodeName);
  for (const { name, uid, pv } of stray) {
    const fields = { node: nodeName, attachment: { name, uid }, heartbeat, pv };
    wanted.actions.push(action('UndoHold', uid, fields, true));
  }
}
