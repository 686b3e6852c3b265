import type { PodView } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';
import { action } from './actions.ts';
import { candidatesFor } from './confirm.ts';
import { type Episode, hasOwnTaint, isOfStorage } from './episode.ts';
import type { Hold } from './hold.ts';
import { tellRefusal } from './tell-refusal.ts';
import type { State } from './state.ts';
import { isFinished, ourVolumes } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** A kubelet that unmounts is done by then, and has told so (nodeStatusUpdateFrequency: 10 s). */
const unseenUnmountMs = 60_000;

/**
 * The way of a live node: its kubelet works, so a pod that has lost its storage there is ended in
 * order, and whatever lets go by itself needs no fence. Begins when our taint stands, so that the
 * replacement does not come back. Not for a pod whose replacement would not wait for its end.
 */
export function endInOrder(
  episode: Episode,
  held: ReadonlyMap<string, Hold>,
  wanted: Wanted,
): void {
  const { situation, verdict, record, heartbeat } = episode;
  const { state, nodeName } = situation;
  if (verdict.kind !== 'StorageLost' || record.phase === 'Moved') return;
  if (episode.node !== undefined && !hasOwnTaint(episode)) return;
  const concerned = concernedIn(episode);
  for (const { pod } of episode.members) {
    if (isFinished(pod) || pod.deleting || held.has(pod.uid) || !concerned.has(pod.uid)) continue;
    if (isReplacedAtOnce(state, pod)) continue;
    const target = { namespace: pod.namespace, name: pod.name, uid: pod.uid };
    wanted.actions.push(
      action('EndPod', pod.uid, {
        node: nodeName,
        pod: target,
        heartbeat,
        epoch: record.epoch,
        graceMs: state.policy.gracefulTimeoutMs,
        troubled: ourVolumes(state, pod)
          .map(({ handle }) => handle)
          .filter((handle) => verdict.handles?.has(handle)),
      }),
    );
    tellRefusal(episode, pod, 'eviction', wanted);
  }
}

/**
 * Anything but a StatefulSet makes another pod as soon as this one is being deleted, and attach/
 * detach holds it back only for a volume that one node may have at a time. Where there is none, the
 * replacement would write beside a pod that still ends: its volumes are taken away first.
 */
function isReplacedAtOnce(state: State, pod: PodView): boolean {
  const { owner } = pod;
  if (owner === undefined || owner.kind === 'StatefulSet') return false;
  return ourVolumes(state, pod).every(({ pv }) => state.pvs.get(pv)?.shared === true);
}

function concernedIn({ situation, verdict }: Episode): ReadonlySet<string> {
  const { state, nodeName } = situation;
  return new Set(candidatesFor(state, nodeName, verdict).map(({ uid }) => uid));
}

/**
 * Whether a volume of a node whose kubelet works is taken away by force: its pods were asked to end
 * and have not, or they have and the kubelet does not get the volume off.
 */
export function mayForce(
  episode: Episode,
  volume: FencedVolume,
  users: readonly PodView[],
  wanted: Wanted,
): boolean {
  const { situation, verdict, memory } = episode;
  const { state, now } = situation;
  if (users.length === 0) {
    const dueAt = unmountDueAt(episode, volume);
    return dueAt !== undefined && isDue(dueAt, now, wanted);
  }
  if (verdict.kind !== 'StorageLost') return false;
  const concerned = concernedIn(episode);
  return users.every((pod) => {
    if (!concerned.has(pod.uid)) return false;
    if (isReplacedAtOnce(state, pod)) return true;
    const endingSince = state.deletingSince.get(pod.uid);
    if (endingSince === undefined) return false;
    const from = Math.max(endingSince, memory.recordSeenAt);
    return isDue(from + state.policy.gracefulTimeoutMs, now, wanted);
  });
}

/** Nobody uses it there any more; when the kubelet should have got it off. Undefined: never. */
function unmountDueAt(
  { memory, record, verdict }: Episode,
  { pv }: FencedVolume,
): number | undefined {
  if (verdict.kind !== 'StorageLost' && verdict.kind !== 'Alive') return undefined;
  const dueAt = memory.unmountDueAt.get(pv);
  // A leader that has not seen its pods go waits longer: nobody reports what no pod has.
  if (dueAt !== undefined || !isOfStorage(record)) return dueAt;
  return memory.recordSeenAt + unseenUnmountMs;
}

function isDue(at: number, now: number, wanted: Wanted): boolean {
  if (now >= at) return true;
  wanted.wakeAt.push(at);
  return false;
}
