import { type AttachmentView, type PodView, uniqueVolumeName } from '../shared/model.ts';
import { attacherFinalizer, holdFinalizer } from '../shared/names.ts';
import type { FencedVolume } from '../shared/record.ts';
import { volumesOf } from './claimed-volume.ts';
import type { ClaimedVolume } from './pod-volumes.ts';
import { type State, memoryOf } from './state.ts';

/** A pod that does not run any more needs nothing from us and writes nothing. */
export function isFinished(pod: PodView): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

export function podsOn(state: State, nodeName: string): readonly PodView[] {
  return [...(state.podsByNode.get(nodeName)?.values() ?? [])];
}

/** Volumes of this driver are mounted without being attached: no VolumeAttachment tells of them. */
export function isAttachless({ csidrivers, policy }: State): boolean {
  return csidrivers.get(policy.driver)?.attachRequired === false;
}

export function attachmentsOn(state: State, nodeName: string): readonly AttachmentView[] {
  return [...(state.attachmentsByNode.get(nodeName)?.values() ?? [])];
}

export function claimedVolumes(state: State, pod: PodView): readonly ClaimedVolume[] {
  return volumesOf(state, pod).claimed;
}

/** The volumes of our driver that a pod uses. */
export function ourVolumes(state: State, pod: PodView): readonly FencedVolume[] {
  return volumesOf(state, pod).ours;
}

/**
 * The names of all PVs of one volume. A volume that was bound twice by hand, for two namespaces
 * say, is one volume to attach/detach and has one VolumeAttachment on a node.
 */
function namesOf(state: State, pvName: string): readonly string[] {
  const pv = state.pvs.get(pvName);
  const alike = pv && state.pvsByVolume.get(uniqueVolumeName(pv.driver, pv.handle));
  return alike === undefined || alike.size === 1 ? [pvName] : [...alike.keys()];
}

/** The keys of the claims of a PV. Both sides are asked: one of them may be gone already. */
function claimsOf(state: State, pvName: string): ReadonlySet<string> {
  const claims = new Set(state.claimsByPv.get(pvName)?.keys());
  const pv = state.pvs.get(pvName);
  if (pv !== undefined) claims.add(`${pv.claimNamespace}/${pv.claimName}`);
  return claims;
}

/** Unfinished pods that use this volume, whoever owns or labels them and through which claim. */
export function allUsersOf(state: State, pvName: string): ReadonlySet<PodView> {
  const claims = namesOf(state, pvName).flatMap((name) => [...claimsOf(state, name)]);
  const users = new Set<PodView>();
  for (const claim of claims) {
    for (const pod of state.podsByClaim.get(claim)?.values() ?? []) {
      if (!isFinished(pod)) users.add(pod);
    }
  }
  return users;
}

/** Those of them that are bound to the node. */
export function usersOf(state: State, nodeName: string, pvName: string): readonly PodView[] {
  return [...allUsersOf(state, pvName)].filter((pod) => pod.nodeName === nodeName);
}

/** The VolumeAttachment of a volume on a node; its name is a function of both: one at most. */
export function attachmentOf(
  state: State,
  nodeName: string,
  pvName: string,
): AttachmentView | undefined {
  const attachments = state.attachmentsByNode.get(nodeName);
  if (attachments === undefined) return undefined;
  for (const attachment of attachments.values()) if (attachment.pv === pvName) return attachment;
  const names = namesOf(state, pvName);
  if (names.length === 1) return undefined;
  for (const attachment of attachments.values()) {
    if (names.includes(attachment.pv)) return attachment;
  }
  return undefined;
}

/** How far the hold on a VolumeAttachment has come; the order of the words is its way. */
export type HoldState =
  /**
   * Not begun; `attacher` says whether the attacher's finalizer is there, without which no hold.
   */
  | 'free'
  /** Being deleted by somebody else: no finalizer can be added any more. */
  | 'leaving'
  /**
   * Our finalizer is on it, it is not deleted yet: the fence has been sent, from now on it is
   * finished.
   */
  | 'begun'
  /** Deleted; the attacher has not confirmed the unpublish yet. */
  | 'fencing'
  /** Deleted, and the attacher took its finalizer off after ControllerUnpublishVolume succeeded. */
  | 'held';

export function holdOf(attachment: AttachmentView): HoldState {
  if (!attachment.finalizers.includes(holdFinalizer)) {
    return attachment.deleting ? 'leaving' : 'free';
  }
  if (!attachment.deleting) return 'begun';
  return attachment.finalizers.length === 1 ? 'held' : 'fencing';
}

export function hasAttacherFinalizer(attachment: AttachmentView): boolean {
  return attachment.finalizers.includes(attacherFinalizer(attachment.driver));
}

/**
 * The fence of this VolumeAttachment is confirmed: the hold stands, and where the driver lists
 * published nodes, that listing does not name the node any more.
 */
export function isConfirmed(state: State, attachment: AttachmentView): boolean {
  if (holdOf(attachment) !== 'held') return false;
  // As long as the driver has not said what it can, nobody knows whether its word is needed.
  return (
    state.capabilities?.listsPublishedNodes === false ||
    memoryOf(state, attachment.nodeName).revoked.has(attachment.uid)
  );
}

/** The VolumeAttachments of our driver on this node that are being deleted under a hold. */
export function holdsOn(state: State, nodeName: string): readonly AttachmentView[] {
  return attachmentsOn(state, nodeName).filter((attachment) => {
    const stage = holdOf(attachment);
    const taken = stage === 'fencing' || stage === 'held';
    return taken && attachment.driver === state.policy.driver && state.pvs.has(attachment.pv);
  });
}

/** The volumes of our driver that were taken away from this node, or are about to be. */
export function takenFrom(state: State, nodeName: string): readonly FencedVolume[] {
  return holdsOn(state, nodeName).flatMap((attachment) => {
    const pv = state.pvs.get(attachment.pv);
    return pv === undefined ? [] : [{ handle: pv.handle, pv: pv.name }];
  });
}
