import { type AttachmentTarget, action } from './actions.ts';
import { type Episode, hasOutOfService } from './episode.ts';
import { attachmentOf, holdOf, isConfirmed, isFinished } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** Step 6. Writes into the record how far the episode has come, for whoever leads next. */
export function settlePhase(episode: Episode, wanted: Wanted): void {
  const { situation, record, members, verdict } = episode;
  const { state, nodeName } = situation;
  const attachments = record.volumes.map((volume) => ({
    volume,
    attachment: attachmentOf(state, nodeName, volume.pv),
  }));
  if (record.phase === 'Intent') {
    const fenced = attachments.some(
      ({ attachment }) => attachment && isConfirmed(state, attachment),
    );
    if (fenced) updateRecord(episode, { phase: 'Fenced' }, wanted);
    return;
  }
  if (record.phase !== 'Fenced') return;
  // A volume that was never taken away and whose node lives again is no part of it any more.
  const untouched = attachments.filter(
    ({ attachment }) => attachment && holdOf(attachment) === 'free' && verdict.kind === 'Alive',
  );
  const left = attachments.filter(({ attachment }) => attachment !== undefined);
  const pods = members.filter(
    ({ pod, intent }) =>
      !isFinished(pod) && intent.volumes.some((v) => !untouched.some((u) => u.volume.pv === v.pv)),
  );
  if (left.length > untouched.length || pods.length > 0 || hasOutOfService(episode)) return;
  const gone = new Set(untouched.map(({ volume }) => volume.pv));
  const unheld = untouched.flatMap(({ attachment }) => attachment ?? []);
  const volumes = record.volumes.filter(({ pv }) => !gone.has(pv));
  updateRecord(episode, { phase: 'Moved', volumes }, wanted, unheld);
}

/**
 * Writes another phase or a longer list of volumes, if the record is still of this epoch. What
 * ends a part of the episode waits until nothing else is in flight for the node, and `unheld` is
 * read again: our own view may not show yet what we have just done.
 */
export function updateRecord(
  { record, heartbeat, situation }: Episode,
  change: Partial<Pick<Episode['record'], 'phase' | 'volumes' | 'reason'>>,
  wanted: Wanted,
  unheld: readonly AttachmentTarget[] = [],
): void {
  const next = { ...record, ...change };
  const ends = next.phase === 'Moved' || next.phase === 'Released';
  const identity = `${record.epoch}/${next.phase}/${next.volumes.length}`;
  const targets = unheld.map(({ name, uid }) => ({ name, uid }));
  const fields = { node: situation.nodeName, heartbeat, record: next, unheld: targets };
  wanted.actions.push(action('UpdateRecord', identity, fields, ends));
}
