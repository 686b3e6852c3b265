import { adopted } from '../shared/adopted.ts';
import type { PodView } from '../shared/model.ts';
import { type AttachmentTarget, action } from './actions.ts';
import { type Episode, hasOutOfService, isOfStorage, isUntouched, lockedUntil } from './episode.ts';
import { hasNothingToHold } from './unsafe.ts';
import { attachmentOf, isConfirmed, podsOn, usersOf } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** Step 6. Writes into the record how far the episode has come, for whoever leads next. */
export function settlePhase(episode: Episode, joining: readonly PodView[], wanted: Wanted): void {
  const { situation, record, members } = episode;
  const { state, nodeName } = situation;
  const attachments = record.volumes.map((volume) => ({
    volume,
    attachment: attachmentOf(state, nodeName, volume.pv),
  }));
  if (record.phase === 'Intent') {
    const fenced = attachments.some(
      ({ attachment }) => attachment && isConfirmed(state, attachment),
    );
    if (fenced || hasNothingToHold(episode)) updateRecord(episode, { phase: 'Fenced' }, wanted);
    else if (isOfStorage(record)) settleInOrder(episode, wanted);
    return;
  }
  // Who joins an episode that has moved opens it again, even if no attachment shows it (join.ts).
  if (record.phase !== 'Fenced' || joining.length > 0) return;
  const untouched = attachments.filter(({ volume }) => isUntouched(episode, volume));
  const left = attachments.filter(({ attachment }) => attachment !== undefined);
  const unfinished = members.filter(
    ({ pod, intent }) =>
      !isOver(pod) && !intent.volumes.every((volume) => isUntouched(episode, volume)),
  );
  if (left.length > untouched.length || unfinished.length > 0 || hasOutOfService(episode)) return;
  const gone = new Set(untouched.map(({ volume }) => volume.pv));
  const unheld = untouched.flatMap(({ attachment }) => attachment ?? []);
  const volumes = record.volumes.filter(({ pv }) => !gone.has(pv));
  const pods = gonePods(episode);
  if (volumes.length > 0) updateRecord(episode, { phase: 'Moved', volumes, pods }, wanted, unheld);
  else giveUp(episode, unheld, wanted);
}

/**
 * Somebody has stripped the holds, and the node is back with all that it had: nothing was moved. A
 * record that lists no volume would stand for all of the driver; one that was adopted does again,
 * because what was taken away under the record before it nobody knows.
 */
function giveUp(episode: Episode, unheld: readonly AttachmentTarget[], wanted: Wanted): void {
  if (episode.record.reason === adopted) {
    updateRecord(episode, { phase: 'Moved', volumes: [] }, wanted, unheld);
    return;
  }
  const locked = lockedUntil(episode.situation);
  if (locked !== undefined) wanted.wakeAt.push(locked);
  else updateRecord(episode, { phase: 'Released', reason: 'withdrawn' }, wanted, unheld);
}

/** Of the pods that the episode ends: those that the API does not have any more. */
function gonePods({ situation, record }: Episode): readonly string[] {
  const there = new Set(podsOn(situation.state, situation.nodeName).map(({ uid }) => uid));
  return (record.pods ?? []).filter((uid) => !there.has(uid));
}

/**
 * On a node that lives pods have ended by themselves, and attach/detach has let go of their
 * volumes: nothing had to be fenced. What is left in use there can be used again.
 */
function settleInOrder(episode: Episode, wanted: Wanted): void {
  const { situation, record } = episode;
  const { state, nodeName } = situation;
  const used = record.volumes.filter(({ pv }) => usersOf(state, nodeName, pv).length > 0);
  const gone = record.volumes.filter(
    (volume) => !used.includes(volume) && attachmentOf(state, nodeName, volume.pv) === undefined,
  );
  const staying = used.filter((volume) => isUntouched(episode, volume));
  if (gone.length === 0 || gone.length + staying.length < record.volumes.length) return;
  const unheld = staying.flatMap(({ pv }) => attachmentOf(state, nodeName, pv) ?? []);
  const change = { phase: 'Moved' as const, volumes: gone, pods: gonePods(episode) };
  updateRecord(episode, change, wanted, unheld);
}

/** Nothing is left to do for it; one that has only failed still keeps its name from the next. */
function isOver(pod: PodView): boolean {
  return pod.phase === 'Succeeded' || (pod.phase === 'Failed' && pod.deleting);
}

/**
 * Writes another phase or a longer list of volumes, if the record is still of this epoch. What
 * ends a part of the episode waits until nothing else is in flight for the node, and `unheld` is
 * read again: our own view may not show yet what we have just done.
 */
export function updateRecord(
  { record, heartbeat, situation }: Episode,
  change: Partial<Pick<Episode['record'], 'phase' | 'volumes' | 'pods' | 'reason'>>,
  wanted: Wanted,
  unheld: readonly AttachmentTarget[] = [],
): void {
  const next = { ...record, ...change };
  const ends = next.phase === 'Moved' || next.phase === 'Released';
  const identity = `${record.epoch}/${next.phase}/${next.volumes.length}`;
  const targets = unheld.map(({ name, uid }) => ({ name, uid }));
  const fields = { node: situation.nodeName, heartbeat, record: next, from: record };
  wanted.actions.push(action('UpdateRecord', identity, { ...fields, unheld: targets }, ends));
}
