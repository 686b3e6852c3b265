import type { Instant } from '../shared/clock.ts';
import { type NodeView, type PodView, uniqueVolumeName } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';
import type { Episode } from './episode.ts';
import { readIntent } from './pod-intent.ts';
import { attachAttemptMs } from './policy.ts';
import type { State } from './state.ts';
import { ourVolumes, usersOf } from './volumes.ts';

/**
 * Attach/detach's attempts to attach a volume again to the node that we took it away from. While
 * a pod there still wants it, its 60 s sync finds the held VolumeAttachment not attached, takes the
 * volume out of node status and attaches anew (attachdetach/reconciler, syncStates). Each attempt
 * fails as soon as it sees the deletionTimestamp; but if the VolumeAttachment goes in the middle of
 * one, that one waits two minutes for it to come back, and nobody can attach the volume elsewhere
 * (pkg/volume/csi/csi_attacher.go, waitForVolumeAttachmentWithLister ignores NotFound).
 */

/** Until when such an attempt may be under way; undefined: there can be none. */
export function attemptUntil(
  { situation, memory, node }: Episode,
  { handle }: FencedVolume,
): Instant | undefined {
  const { state, now } = situation;
  const name = uniqueVolumeName(state.policy.driver, handle);
  // What node status names it takes for attached.
  if (memory.letGo.has(name) || node?.volumesAttached.includes(name) === true) return undefined;
  // Whom we have not seen leave had left when we looked first.
  const firstLook = Math.max(memory.recordSeenAt, state.sources.pods.freshSince);
  const until = (memory.leftAt.get(name) ?? firstLook) + attachAttemptMs;
  return now < until ? until : undefined;
}

/** A pod has ended or is gone: attach/detach begins no attempt for it any more. */
export function observeLeft(state: State, pod: PodView, now: Instant): void {
  const memory = state.memory.get(pod.nodeName);
  if (memory === undefined || memory.recordEpoch === '') return;
  const { driver } = state.policy;
  // Its claims may have gone from our view before it; then its mark tells.
  const marked = readIntent(pod, driver)?.volumes ?? [];
  for (const { handle } of [...ourVolumes(state, pod), ...marked]) {
    const name = uniqueVolumeName(driver, handle);
    memory.leftAt.set(name, now);
    memory.letGo.delete(name);
  }
}

/**
 * Node status named a volume that no pod there used, and does not any more: attach/detach knew it
 * as attached when the last pod had gone, so it has not tried to attach it again.
 */
export function observeLetGo(state: State, before: NodeView | undefined, after: NodeView): void {
  const memory = state.memory.get(after.name);
  if (memory === undefined || memory.recordEpoch === '' || before?.uid !== after.uid) return;
  const named = new Set(after.volumesAttached);
  for (const name of before.volumesAttached) {
    const [pv] = state.pvsByVolume.get(name)?.keys() ?? [];
    if (named.has(name) || pv === undefined) continue;
    if (usersOf(state, after.name, pv).length === 0) memory.letGo.add(name);
  }
}
