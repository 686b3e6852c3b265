import { allUsersOf, attachmentOf, holdOf, isFinished, usersOf } from './volumes.ts';
import type { ObjectReference } from '../shared/mode.ts';
import type { PvView } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';
import { boundClaims } from './condition.ts';
import type { Episode } from './episode.ts';
import { unconfirmedHold } from './evict.ts';
import { hold } from './hold.ts';
import { podCompleted, podStarted, podWaits, volumeFenced, waits } from './notices.ts';
import type { State } from './state.ts';
import { isUnsafe } from './unsafe.ts';
import type { Wanted } from './wanted.ts';

/** How long a step may take before people are told what it waits for. */
const patienceMs = { detach: 20_000, reschedule: 60_000, replacement: 600_000 };

/** What people can read about a running episode on its pods and claims. Wants no action. */
export function tellProgress(episode: Episode, wanted: Wanted): void {
  for (const { pod } of episode.members) {
    if (!isFinished(pod)) wanted.notices.push(...podStarted(episode, pod));
  }
  for (const volume of episode.record.volumes) {
    const pv = episode.situation.state.pvs.get(volume.pv);
    if (pv !== undefined) tellVolume(episode, volume, pv, wanted);
  }
}

function tellVolume(episode: Episode, volume: FencedVolume, pv: PvView, wanted: Wanted): void {
  const { situation, memory } = episode;
  const { state, nodeName, now } = situation;
  const attachment = attachmentOf(state, nodeName, pv.name);
  if (attachment === undefined) {
    if (episode.record.phase !== 'Intent') tellReplacements(episode, pv, wanted);
    return;
  }
  const claims = claimsOf(state, pv);
  const unconfirmed = unconfirmedHold(state, attachment, volume.handle);
  const user = usersOf(state, nodeName, pv.name)[0];
  // Before that its pods tell what they wait for, if there are any left.
  if (unconfirmed && (user !== undefined || holdOf(attachment) === 'free')) return;
  if (unconfirmed === undefined && !isUnsafe(state)) {
    wanted.notices.push(...claims.map((claim) => volumeFenced(episode, claim, volume.handle)));
  }
  const stalledAt = memory.recordSeenAt + patienceMs.detach;
  if (now < stalledAt) {
    wanted.wakeAt.push(stalledAt);
    return;
  }
  const what =
    user === undefined
      ? `attach/detach still counts VolumeAttachment ${attachment.name}`
      : `pod ${user.namespace}/${user.name} on this node still uses it`;
  const why = unconfirmed ?? hold('detach-stalled', what);
  wanted.notices.push(...claims.map((claim) => waits(episode, claim, why)));
}

/** The claim of this PV, if it names the PV back: the name may be another claim's by now. */
function claimsOf(state: State, { name: pvName, handle }: PvView): readonly ObjectReference[] {
  return boundClaims(state, handle).flatMap(({ pv, claim: { namespace, name, uid } }) =>
    pv.name === pvName ? [{ kind: 'PersistentVolumeClaim', namespace, name, uid } as const] : [],
  );
}

/** The old attachment is gone: where the pods of this volume run now, or why they do not. */
function tellReplacements(episode: Episode, pv: PvView, wanted: Wanted): void {
  const { state, nodeName, now } = episode.situation;
  const { recordSeenAt, movedAt, bystanders } = episode.memory;
  // Who comes later is no replacement of these.
  const over = (movedAt ?? now) + patienceMs.replacement;
  if (episode.record.phase === 'Moved' && now >= over) return;
  const stalledAt = recordSeenAt + patienceMs.reschedule;
  for (const pod of allUsersOf(state, pv.name)) {
    if (pod.nodeName === nodeName || bystanders.has(pod.uid)) continue;
    if (pod.nodeName !== '') wanted.notices.push(...podCompleted(episode, pod));
    else if (now < stalledAt) wanted.wakeAt.push(stalledAt);
    else {
      const why = hold('not-rescheduled', 'the scheduler has found no other node for it');
      wanted.notices.push(podWaits(episode, pod, why));
    }
  }
}
