import type { AttachmentView, PodView } from '../shared/model.ts';
import { type Hold, hold } from './hold.ts';
import { intentOf } from './pod-intent.ts';
import type { State } from './state.ts';
import { attachmentOf, claimedVolumes, holdOf } from './volumes.ts';

/** A volume that nobody fences: it could be written from both nodes after a move. */
export function foreignVolume(state: State, pod: PodView): Hold | undefined {
  const inline = pod.volumes.find((volume) => volume.kind === 'foreign' && !volume.readOnly);
  if (inline?.kind === 'foreign') {
    return hold('foreign-volume', `nobody fences its ${inline.source} volume ${inline.name}`);
  }
  for (const volume of claimedVolumes(state, pod)) {
    if (volume.kind === 'unresolved') {
      return hold('foreign-volume', `claim ${volume.claim} is not bound as far as we can see`);
    }
    if (volume.kind === 'not-csi' && !volume.readOnly) {
      return hold('foreign-volume', `nobody fences claim ${volume.claim}, which is no CSI volume`);
    }
  }
  return undefined;
}

/**
 * The claim of another driver that nobody has announced to fence yet. Two instances work together
 * by this: each announces itself by its intent on the pod, fences its own volumes when all others
 * have announced themselves, and evicts when all holds are confirmed.
 */
export function unannounced(state: State, pod: PodView): Hold | undefined {
  return otherDrivers(state, pod, (driver, held) => held || intentOf(pod, driver) !== undefined);
}

/**
 * The claim of another driver whose fence is not confirmed yet. A hold that stands is not enough:
 * its instance may still ask its driver whether the access is really gone, and says so in its
 * intent when it is.
 */
export function unheld(state: State, pod: PodView): Hold | undefined {
  return otherDrivers(state, pod, (driver, held) => held && intentOf(pod, driver)?.fenced === true);
}

/**
 * The VolumeAttachments of the pod's other drivers that their instances of ours have taken away,
 * or are about to: from then on only a move helps the pod.
 */
export function takenByOthers(state: State, pod: PodView): readonly AttachmentView[] {
  // Nothing is taken without a hold, and few nodes have one.
  if (!state.holdsByNode.has(pod.nodeName)) return [];
  return claimedVolumes(state, pod).flatMap((volume) => {
    if (volume.kind !== 'other-driver') return [];
    const attachment = attachmentOf(state, pod.nodeName, volume.pv.name);
    const stage = attachment === undefined ? 'free' : holdOf(attachment);
    return attachment === undefined || stage === 'free' || stage === 'leaving' ? [] : [attachment];
  });
}

export function hasOtherDrivers(state: State, pod: PodView): boolean {
  return claimedVolumes(state, pod).some(({ kind }) => kind === 'other-driver');
}

function otherDrivers(
  state: State,
  pod: PodView,
  suffices: (driver: string, held: boolean) => boolean,
): Hold | undefined {
  for (const volume of claimedVolumes(state, pod)) {
    if (volume.kind !== 'other-driver') continue;
    const attachment = attachmentOf(state, pod.nodeName, volume.pv.name);
    const held = attachment !== undefined && holdOf(attachment) === 'held';
    if (!suffices(volume.pv.driver, held)) {
      const whose = `driver ${volume.pv.driver}`;
      return hold('foreign-volume', `claim ${volume.claim} of ${whose} is not fenced by anybody`);
    }
  }
  return undefined;
}
