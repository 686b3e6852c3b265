import type { AttachmentView, PodView } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';
import { type AttachmentTarget, action } from './actions.ts';
import { type Episode, type Member, hasOwnTaint, isUntouched } from './episode.ts';
import { hasOtherDrivers, takenByOthers, unannounced, unheld } from './foreign-volume.ts';
import { guards } from './guards.ts';
import { type Hold, hold } from './hold.ts';
import { otherNodeId, restsOnNodeId } from './node-id.ts';
import { podWaits } from './notices.ts';
import { tellRefusal } from './tell-refusal.ts';
import { type State, memoryOf } from './state.ts';
import { isUnsafe } from './unsafe.ts';
import { isListed } from './verify-revoked.ts';
import { attachmentOf, holdOf, isConfirmed, isFinished, ourVolumes } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** A fence takes less; who waits longer is told what for. */
const fencePatienceMs = 5_000;

/** Step 4. Answers whether an eviction of a running pod is still wanted. */
export function evict(episode: Episode, held: ReadonlyMap<string, Hold>, wanted: Wanted): boolean {
  const evictions = episode.members.map((member) => evictOne(episode, member, held, wanted));
  return evictions.some(Boolean);
}

/** Only when every volume of the pod, ours and others', is confirmed to be taken away. */
function evictOne(
  episode: Episode,
  { pod, intent }: Member,
  held: ReadonlyMap<string, Hold>,
  wanted: Wanted,
): boolean {
  if (isFinished(pod)) {
    evictFinished(episode, { pod, intent }, wanted);
    return false;
  }
  const unfenced = unconfirmed(episode, pod, intent.volumes);
  if (unfenced === undefined) tellOthers(episode, { pod, intent }, wanted);
  const waits = notEvictable(episode, pod, unfenced, held);
  if (waits === undefined) {
    wantEviction(episode, { pod, intent }, wanted);
    return true;
  }
  const patience = episode.memory.recordSeenAt + fencePatienceMs;
  if (episode.situation.now >= patience) wanted.notices.push(podWaits(episode, pod, waits));
  else wanted.wakeAt.push(patience);
  return false;
}

/**
 * An eviction that got only as far as the pod's phase; its volumes may be free by now. A pod that
 * failed by itself on a node that lives is none of it.
 */
function evictFinished(episode: Episode, { pod, intent }: Member, wanted: Wanted): void {
  if (pod.deleting) {
    const why = hold('pod-finalizer', `its object is kept by ${pod.finalizers.join(', ')}`);
    if (pod.finalizers.length > 0) wanted.notices.push(podWaits(episode, pod, why));
    return;
  }
  const untouched = intent.volumes.every((volume) => isUntouched(episode, volume));
  if (pod.phase !== 'Failed' || untouched || hasFailedByItself(episode, intent.volumes)) return;
  const paused = guards.paused?.(episode.situation, pod);
  if (paused === undefined) wantEviction(episode, { pod, intent }, wanted);
  else wanted.notices.push(podWaits(episode, pod, paused));
}

/** A kubelet that works says so of itself; what is ours is done after the fence. */
function hasFailedByItself(
  { situation, verdict }: Episode,
  intended: readonly FencedVolume[],
): boolean {
  if (verdict.kind !== 'StorageLost') return false;
  return intended.some(({ pv }) => {
    const attachment = attachmentOf(situation.state, situation.nodeName, pv);
    return attachment !== undefined && holdOf(attachment) === 'free';
  });
}

function wantEviction(episode: Episode, { pod, intent }: Member, wanted: Wanted): void {
  const { situation, record, heartbeat } = episode;
  const { state, nodeName } = situation;
  const target = { namespace: pod.namespace, name: pod.name, uid: pod.uid };
  const own = ownAttachments(state, pod, intent.volumes);
  const holds = holdsUnder([...own, ...takenByOthers(state, pod)]);
  const nodeIds = nodeIdsUnder(state, own);
  const fields = { node: nodeName, pod: target, heartbeat, epoch: record.epoch, holds, nodeIds };
  wanted.actions.push(action('Evict', pod.uid, fields));
  tellRefusal(episode, pod, 'eviction', wanted);
}

/** Read again before the pod goes. Where nothing is attached, there is nothing to read. */
function holdsUnder(attachments: readonly AttachmentView[]): readonly AttachmentTarget[] {
  return [...new Map(attachments.map(({ name, uid }) => [uid, { name, uid }])).values()];
}

/** Read again, too, before the pod goes or others hear that it may. */
function nodeIdsUnder(state: State, own: readonly AttachmentView[]): readonly string[] {
  const due = own.filter((one) => restsOnNodeId(state, one));
  return [...new Set(due.map(({ nodeId }) => nodeId))];
}

function ownAttachments(
  state: State,
  pod: PodView,
  intended: readonly FencedVolume[],
): readonly AttachmentView[] {
  return [...intended, ...ourVolumes(state, pod)].flatMap(
    ({ pv }) => attachmentOf(state, pod.nodeName, pv) ?? [],
  );
}

/** The instances beside the pod's other drivers wait for our word. */
function tellOthers(
  { situation, record, heartbeat }: Episode,
  { pod, intent }: Member,
  wanted: Wanted,
): void {
  const { state } = situation;
  if (intent.fenced === true || !hasOtherDrivers(state, pod)) return;
  wanted.actions.push(
    action('MarkPod', `${record.epoch}/${pod.uid}/fenced`, {
      node: situation.nodeName,
      pod: { namespace: pod.namespace, name: pod.name, uid: pod.uid },
      heartbeat,
      intent: { ...intent, fenced: true },
      nodeIds: nodeIdsUnder(state, ownAttachments(state, pod, intent.volumes)),
    }),
  );
}

function notEvictable(
  episode: Episode,
  pod: PodView,
  unfenced: Hold | undefined,
  held: ReadonlyMap<string, Hold>,
): Hold | undefined {
  const { state } = episode.situation;
  return (
    held.get(pod.uid) ??
    unannounced(state, pod) ??
    unfenced ??
    unheld(state, pod) ??
    untainted(episode)
  );
}

/** A Node that was made again in the middle of the episode would get the replacement at once. */
function untainted(episode: Episode): Hold | undefined {
  if (episode.node === undefined || hasOwnTaint(episode)) return undefined;
  return hold('settling', 'our taint does not stand yet, and its replacement would come back here');
}

/** The volume of this pod whose fence is not confirmed, with what it waits for. */
function unconfirmed(
  { situation, record }: Episode,
  pod: PodView,
  intended: readonly FencedVolume[],
): Hold | undefined {
  const { state, nodeName } = situation;
  const volumes = new Map([...intended, ...ourVolumes(state, pod)].map((v) => [v.pv, v]));
  for (const { pv, handle } of volumes.values()) {
    const attachment = attachmentOf(state, nodeName, pv);
    const name = `volume ${handle}`;
    if (attachment === undefined) {
      if (isUnsafe(state) && record.phase !== 'Intent') continue;
      return hold('fence-unconfirmed', `${name} has no VolumeAttachment that could be held`);
    }
    const waits = unconfirmedHold(state, attachment, handle);
    if (waits !== undefined) return waits;
  }
  return undefined;
}

/** What the fence of this volume waits for; undefined: the volume is taken away. */
export function unconfirmedHold(
  state: State,
  attachment: AttachmentView,
  handle: string,
): Hold | undefined {
  const { name, detachError } = attachment;
  const doubt = otherNodeId(state, attachment);
  if (doubt !== undefined) return hold('node-id-changed', `volume ${handle}: ${doubt}`);
  if (isConfirmed(state, attachment)) return undefined;
  const code = memoryOf(state, attachment.nodeName).unrevoked.get(attachment.uid);
  const error = detachError === '' ? '' : `: ${detachError}`;
  const words = {
    free: `VolumeAttachment ${name} is not held yet`,
    leaving: `VolumeAttachment ${name} is being deleted by somebody else`,
    begun: `VolumeAttachment ${name} is about to be deleted`,
    fencing: `VolumeAttachment ${name} waits for the attacher to unpublish it`,
    held: unlisted(code),
  };
  const why = `volume ${handle}: ${words[holdOf(attachment)]}${error}`;
  // Who was told that it waits for the attacher is to hear that it now waits for another.
  return { ...hold('fence-unconfirmed', why), ...(code === undefined ? {} : { stage: 'listing' }) };
}

/** The attacher has unpublished it, and this driver's own listing does not confirm that. */
function unlisted(code: string | undefined): string {
  if (isListed(code)) {
    return (
      'the driver still lists it for this node, or for an id that no node goes by, which ' +
      'somebody has to end there'
    );
  }
  const answer = code === undefined ? '' : ` (${code})`;
  return `the driver unpublished it, but its listing has not confirmed that yet${answer}`;
}
