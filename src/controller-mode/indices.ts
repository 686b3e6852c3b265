import {
  type AttachmentView,
  type ClaimView,
  type PodView,
  type PvView,
  uniqueVolumeName,
} from '../shared/model.ts';
import { holdFinalizer, intentAnnotation } from '../shared/names.ts';
import type { State } from './state.ts';

/**
 * The collections that decisions look up by more than the name: objects go in and out of all their
 * indices at once. An index keeps no empty entries, or names that come and go would pile up.
 */

export function putPod(state: State, key: string, pod: PodView): void {
  dropPod(state, key);
  state.pods.set(key, pod);
  state.podVolumes.set(pod, undefined);
  const marked = pod.annotations[intentAnnotation(state.policy.driver)] !== undefined;
  if (marked) state.markedPods.set(key, pod);
  if (pod.nodeName !== '') indexed(state.podsByNode, pod.nodeName).set(key, pod);
  for (const claim of claimKeys(pod)) indexed(state.podsByClaim, claim).set(key, pod);
}

export function dropPod(state: State, key: string): void {
  const pod = state.pods.get(key);
  if (pod === undefined) return;
  state.pods.delete(key);
  state.podVolumes.delete(pod);
  state.markedPods.delete(key);
  unindex(state.podsByNode, pod.nodeName, key);
  for (const claim of claimKeys(pod)) unindex(state.podsByClaim, claim, key);
}

function claimKeys(pod: PodView): string[] {
  return pod.volumes.flatMap((volume) =>
    volume.kind === 'claim' ? [`${pod.namespace}/${volume.claim}`] : [],
  );
}

export function putClaim(state: State, key: string, claim: ClaimView): void {
  dropClaim(state, key);
  state.claims.set(key, claim);
  forgetVolumesOf(state, key);
  if (claim.pv !== '') indexed(state.claimsByPv, claim.pv).set(key, claim);
}

export function dropClaim(state: State, key: string): void {
  const claim = state.claims.get(key);
  if (claim === undefined) return;
  state.claims.delete(key);
  forgetVolumesOf(state, key);
  unindex(state.claimsByPv, claim.pv, key);
}

/** What the pods with this claim have is to be found out anew. */
function forgetVolumesOf(state: State, claim: string): void {
  for (const pod of state.podsByClaim.get(claim)?.values() ?? []) {
    state.podVolumes.set(pod, undefined);
  }
}

export function putPv(state: State, key: string, pv: PvView): void {
  dropPv(state, key);
  state.pvs.set(key, pv);
  forgetClaimants(state, key);
  // Volumes that are no CSI volumes have no handle in common either.
  if (pv.handle !== '') indexed(state.pvsByVolume, volumeOf(pv)).set(key, pv);
}

export function dropPv(state: State, key: string): void {
  const pv = state.pvs.get(key);
  if (pv === undefined) return;
  state.pvs.delete(key);
  forgetClaimants(state, key);
  unindex(state.pvsByVolume, volumeOf(pv), key);
}

function forgetClaimants(state: State, pv: string): void {
  for (const claim of state.claimsByPv.get(pv)?.keys() ?? []) forgetVolumesOf(state, claim);
}

function volumeOf({ driver, handle }: PvView): string {
  return uniqueVolumeName(driver, handle);
}

export function putAttachment(state: State, key: string, attachment: AttachmentView): void {
  dropAttachment(state, key);
  state.attachments.set(key, attachment);
  indexed(state.attachmentsByNode, attachment.nodeName).set(key, attachment);
  if (attachment.finalizers.includes(holdFinalizer)) {
    indexed(state.holdsByNode, attachment.nodeName).set(key, attachment);
  }
}

export function dropAttachment(state: State, key: string): void {
  const attachment = state.attachments.get(key);
  if (attachment === undefined) return;
  state.attachments.delete(key);
  unindex(state.attachmentsByNode, attachment.nodeName, key);
  unindex(state.holdsByNode, attachment.nodeName, key);
}

function indexed<V>(index: Map<string, Map<string, V>>, by: string): Map<string, V> {
  let entry = index.get(by);
  if (entry === undefined) {
    entry = new Map();
    index.set(by, entry);
  }
  return entry;
}

function unindex<V>(index: Map<string, Map<string, V>>, by: string, key: string): void {
  const entry = index.get(by);
  entry?.delete(key);
  if (entry?.size === 0) index.delete(by);
}
