import { action } from './actions.ts';
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
  const volumes = record.volumes.filter(({ pv }) => !gone.has(pv));
  updateRecord(episode, { phase: 'Moved', volumes }, wanted);
}

/** Writes another phase or a longer list of volumes, if the record is still of this epoch. */
export function updateRecord(
  { record, heartbeat, situation }: Episode,
  change: Partial<Pick<Episode['record'], 'phase' | 'volumes'>>,
  wanted: Wanted,
): void {
  const next = { ...record, ...change };
  const identity = `${record.epoch}/${next.phase}/${next.volumes.length}`;
  wanted.actions.push(
    action('UpdateRecord', identity, { node: situation.nodeName, heartbeat, record: next }),
  );
}
