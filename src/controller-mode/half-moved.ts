import type { PodView } from '../shared/model.ts';
import type { FencedVolume, PodIntent } from '../shared/record.ts';
import { takenByOthers } from './foreign-volume.ts';
import { intentOf } from './pod-intent.ts';
import type { State } from './state.ts';
import { attachmentOf, holdOf, isFinished, ourVolumes } from './volumes.ts';

/** Our intent on this very pod; one that was copied from another pod is none. */
export function intentOn(state: State, pod: PodView): PodIntent | undefined {
  return intentOf(pod, state.policy.driver);
}

/** The hold on this volume has been begun: its first write, our finalizer, stands. */
export function isTaken(state: State, nodeName: string, { pv }: FencedVolume): boolean {
  const attachment = attachmentOf(state, nodeName, pv);
  if (attachment === undefined) return false;
  const hold = holdOf(attachment);
  return hold !== 'free' && hold !== 'leaving';
}

/** A volume of this pod is taken away, or about to be: one of ours, or of another driver. */
export function hasLostVolume(state: State, pod: PodView): boolean {
  if (!state.holdsByNode.has(pod.nodeName)) return false;
  const volumes = [...ourVolumes(state, pod), ...(intentOn(state, pod)?.volumes ?? [])];
  if (volumes.some((volume) => isTaken(state, pod.nodeName, volume))) return true;
  return takenByOthers(state, pod).length > 0;
}

/**
 * It carries our intent, of whichever episode, and has lost a volume. It could be moved when that
 * began, because nothing is taken away before, and now only an end of the move helps it: even if
 * somebody has taken the label off it and the record of its episode away since.
 */
export function isHalfMoved(state: State, pod: PodView): boolean {
  if (isFinished(pod) || intentOn(state, pod) === undefined) return false;
  return hasLostVolume(state, pod);
}
