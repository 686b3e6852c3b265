import type { PodView } from '../shared/model.ts';
import { action } from './actions.ts';
import { proven } from './confirm.ts';
import type { Episode } from './episode.ts';
import { movable } from './guards.ts';
import { hasLostVolume, isHalfMoved } from './half-moved.ts';
import { type Hold, hold } from './hold.ts';
import { podHeld } from './notices.ts';
import { updateRecord } from './phase.ts';
import { tellRefusal } from './tell-refusal.ts';
import { isFailed } from './verdict.ts';
import { groupOf } from './state.ts';
import { isFinished, ourVolumes, podsOn, takenFrom } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * Who may be part of the episode: who could be, who was when it began, and who was part of one
 * before it whose record somebody took away when the pod had lost a volume already.
 */
function partakers(
  { members, situation: { state, nodeName } }: Episode,
  candidates: readonly PodView[],
): readonly PodView[] {
  const known = new Set(candidates.map(({ uid }) => uid));
  const begun = new Set(members.map(({ pod }) => pod.uid));
  const others = podsOn(state, nodeName).filter(
    (pod) => !known.has(pod.uid) && (begun.has(pod.uid) || isHalfMoved(state, pod)),
  );
  return [...candidates, ...others.filter((pod) => !isFinished(pod))];
}

/**
 * A replacement that is put on the fenced node joins once, of each that there was at first. One
 * that has joined is no replacement of itself: somebody has written over its mark.
 */
function hasJoinedAgain({ memory, situation }: Episode, pod: PodView): boolean {
  if (isHalfMoved(situation.state, pod)) return false;
  const joined = memory.joined.get(groupOf(pod));
  if (joined === undefined || joined.first.has(pod.uid) || joined.later.has(pod.uid)) return false;
  return joined.later.size >= Math.max(1, joined.first.size);
}

export interface Joined {
  /** Why others may not take part: those are left alone, and so is every volume that they use. */
  readonly held: ReadonlyMap<string, Hold>;
  /** They take part and are not marked yet. */
  readonly joining: readonly PodView[];
}

/** Marks the pods that take part, at first and when one more is bound to the node. */
export function join(episode: Episode, candidates: readonly PodView[], wanted: Wanted): Joined {
  const { situation, record, heartbeat, members } = episode;
  const { state, nodeName } = situation;
  const all = partakers(episode, candidates);
  const taken = new Set(all.filter((pod) => hasLostVolume(state, pod)).map(({ uid }) => uid));
  const { pods, holds } = movable(situation, all, taken);
  const held = new Map(holds);
  const known = new Set(members.map(({ pod }) => pod.uid));
  const coming = pods.filter((pod) => {
    if (known.has(pod.uid)) return false;
    const again = hasJoinedAgain(episode, pod);
    if (again) {
      held.set(pod.uid, hold('not-rescheduled', 'its replacement was put on this node again'));
    }
    return !again && (isFailed(episode.verdict) || taken.has(pod.uid));
  });
  const joining = proven(situation, episode.verdict, coming, wanted);
  for (const pod of all) {
    const why = held.get(pod.uid);
    if (why === undefined) continue;
    wanted.notices.push(podHeld(episode, pod, why));
    if (why.until !== undefined) wanted.wakeAt.push(why.until);
  }
  // A record may have let go of a volume while its node was back for a moment.
  const staying = isFailed(episode.verdict) ? pods.filter((pod) => known.has(pod.uid)) : [];
  const used = [...joining, ...staying].flatMap((pod) => ourVolumes(state, pod));
  const more = [...used, ...takenFrom(state, nodeName)];
  const volumes = new Map([...record.volumes, ...more].map((volume) => [volume.pv, volume]));
  if (volumes.size > record.volumes.length || (joining.length > 0 && record.phase === 'Moved')) {
    // First the record: what it does not list, nobody would clean up.
    const phase = record.phase === 'Intent' ? 'Intent' : 'Fenced';
    const pods = [...new Set([...(record.pods ?? []), ...joining.map(({ uid }) => uid)])];
    updateRecord(episode, { volumes: [...volumes.values()], pods, phase }, wanted);
    return { held, joining };
  }
  for (const pod of joining) {
    const target = { namespace: pod.namespace, name: pod.name, uid: pod.uid };
    const own = ourVolumes(state, pod);
    const intent = { epoch: record.epoch, node: nodeName, uid: pod.uid, volumes: own };
    const fields = { node: nodeName, pod: target, heartbeat, intent };
    wanted.actions.push(action('MarkPod', `${record.epoch}/${pod.uid}`, fields));
    tellRefusal(episode, pod, 'mark', wanted);
  }
  return { held, joining };
}
