import type { AttachmentView, NodeView, PodView } from '../shared/model.ts';
import { keyOf, uniqueVolumeName } from '../shared/model.ts';
import { outOfServiceTaint, outOfServiceValue } from '../shared/names.ts';
import type { FencedVolume } from '../shared/record.ts';
import { type Action, action } from './actions.ts';
import { attemptUntil } from './attach-attempt.ts';
import { type Episode, type Member, hasOutOfService, isSent } from './episode.ts';
import {
  clearOutOfService,
  foreignOutOfService,
  siblingOutOfService,
  standsSince,
} from './out-of-service.ts';
import { outOfServiceCapMs, outOfServiceRestMs } from './policy.ts';
import {
  attachmentOf,
  attachmentsOn,
  isConfirmed,
  isFinished,
  podsOn,
  usersOf,
} from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * Step 5. Lets attach/detach forget the old attachment, then drops the hold. Fast: with the
 * out-of-service taint attach/detach looks every 100 ms; the hold goes when node status does not
 * name the volume any more, and attach/detach cannot be about to attach it again
 * (attach-attempt.ts). Slow: the hold goes at once and attach/detach notices within its 60 s sync.
 * `evicting`: a pod is still about to be evicted. The taint does not wait for that one:
 * attach/detach makes two requests a volume and has 20 a second (--kube-api-qps of controller
 * manager), so of many volumes it has to begin with the first. Once set it stands until the
 * stragglers are through, and where they are too many it is set again after a rest, if that helps.
 */
export function detach(episode: Episode, evicting: boolean, wanted: Wanted): void {
  const { situation, record, node } = episode;
  const { driver } = situation.state.policy;
  const free = unused(episode);
  const attached = new Set(node?.volumesAttached);
  const counted = free.filter(({ volume }) =>
    attached.has(uniqueVolumeName(driver, volume.handle)),
  );
  const pace = mayDetachFast(episode) ? paceOf(episode, wanted) : 'slow';
  const fast = pace === 'fast';
  if (node !== undefined) {
    const needed = counted.length > 0;
    const awaited = evicting || episode.members.some((member) => isStraggler(episode, member));
    const useful = fast && (needed || (awaited && hasOutOfService(episode)));
    taintOutOfService(episode, node, { useful, wanted });
  }
  // The hold is the only trace of the fence until the record says Fenced.
  if (record.phase === 'Intent') return;
  const dropped = pace === 'slow' ? free : free.filter((entry) => !counted.includes(entry));
  dropHolds(episode, dropped, wanted);
}

/** As soon as attach/detach cannot be about to attach the volume there again. */
function dropHolds(episode: Episode, entries: readonly Free[], wanted: Wanted): void {
  for (const { volume, attachment } of entries) {
    const until = attemptUntil(episode, volume);
    if (until === undefined) dropHold(episode, attachment, wanted);
    else wanted.wakeAt.push(until);
  }
}

interface Free {
  readonly volume: FencedVolume;
  readonly attachment: AttachmentView;
}

/** Volumes that are confirmed to be taken away and that no unfinished pod of the node uses. */
function unused(episode: Episode): Free[] {
  const { state, nodeName } = episode.situation;
  return episode.record.volumes.flatMap((volume) => {
    const attachment = attachmentOf(state, nodeName, volume.pv);
    if (attachment === undefined || !isConfirmed(state, attachment)) return [];
    return usersOf(state, nodeName, volume.pv).length === 0 ? [{ volume, attachment }] : [];
  });
}

/** Runs still, and the fence of a volume of it is on its way or just confirmed. */
function isStraggler(episode: Episode, { pod, intent }: Member): boolean {
  return !isFinished(pod) && intent.volumes.some((volume) => isSent(episode, volume));
}

/**
 * The taint stands for 5 s at most, whatever happens. Another round follows only after one in which
 * attach/detach let go of a volume, so there are never more rounds than volumes; when it does not
 * help, or when attach/detach does not know the taint, the rest goes the slow way.
 */
function paceOf({ memory, situation }: Episode, wanted: Wanted): 'fast' | 'resting' | 'slow' {
  const { outOfServiceGoneAt, outOfServiceHelped, recordSeenAt } = memory;
  const since = standsSince(memory);
  const { now } = situation;
  const over = outOfServiceHelped ? 'resting' : 'slow';
  if (since !== undefined) {
    return now < since + outOfServiceCapMs ? 'fast' : over;
  }
  if (outOfServiceGoneAt === undefined || outOfServiceGoneAt < recordSeenAt) return 'fast';
  const restedAt = outOfServiceGoneAt + outOfServiceRestMs;
  if (outOfServiceHelped && now >= restedAt) return 'fast';
  if (outOfServiceHelped) wanted.wakeAt.push(restedAt);
  return over;
}

function taintOutOfService(
  episode: Episode,
  node: NodeView,
  { useful, wanted }: { useful: boolean; wanted: Wanted },
): void {
  const { situation, record, memory } = episode;
  const { driver } = situation.state.policy;
  if (!hasOutOfService(episode)) {
    // A taint is unique by key and effect; a sibling's does for us what ours would do.
    const taken = siblingOutOfService(node, driver) !== undefined;
    const ready = useful && !taken && record.phase !== 'Intent';
    if (ready) wanted.actions.push(setOutOfService(episode, node));
    return;
  }
  wanted.wakeAt.push((standsSince(memory) ?? situation.now) + outOfServiceCapMs);
  if (!useful) clearOutOfService(node, situation, wanted);
}

function setOutOfService({ situation, heartbeat, record }: Episode, node: NodeView): Action {
  const taint = { key: outOfServiceTaint, value: outOfServiceValue(situation.state.policy.driver) };
  return action('SetTaint', taint.key, {
    node: node.name,
    nodeUid: node.uid,
    taint,
    record: { heartbeat, epoch: record.epoch },
  });
}

function dropHold(episode: Episode, attachment: AttachmentView, wanted: Wanted): void {
  wanted.actions.push(
    action('DropHold', attachment.uid, {
      node: episode.situation.nodeName,
      attachment,
      heartbeat: episode.heartbeat,
      epoch: episode.record.epoch,
    }),
  );
}

/**
 * Whether the out-of-service taint would tear off nothing but what this episode has fenced. The
 * taint is about the whole node: PodGC force-deletes every terminating pod there, and
 * attach/detach detaches every volume that nobody wants any more without asking whether it is
 * still mounted (pkg/controller/podgc, attachdetach/reconciler). So it is used only while no pod
 * of others is on its way out, nor one of ours that still has a volume, and every VolumeAttachment
 * that is not taken away is wanted by a living pod: a pod that has ended in order leaves one, too.
 */
function mayDetachFast(episode: Episode): boolean {
  const { situation, node, record, verdict, members } = episode;
  const { state, nodeName } = situation;
  if (node === undefined || foreignOutOfService(node) !== undefined) return false;
  const own = new Set(members.map(({ pod }) => pod.uid));
  const others = podsOn(state, nodeName).filter((pod) => !own.has(pod.uid));
  if (others.some((pod) => pod.deleting)) return false;
  if (members.some((member) => member.pod.deleting && !isFenced(episode, member))) return false;
  const fenced = new Set(record.volumes.map(({ pv }) => pv));
  const wanted = wantedBy(
    episode,
    others.filter((pod) => !isFinished(pod)),
  );
  const atRisk = attachmentsOn(state, nodeName).filter(
    ({ pv, deleting }) => !deleting && !(fenced.has(pv) && usersOf(state, nodeName, pv).length > 0),
  );
  return atRisk.every((attachment) => {
    const users = wanted.get(attachment.pv) ?? [];
    // A kubelet that works may finish a pod at any moment; only what is restarted stays wanted.
    const steady = verdict.kind === 'Lost' || verdict.kind === 'Gone' || users.some(isSteady);
    return users.length > 0 && steady;
  });
}

/** Its volumes are taken away, each of them. */
function isFenced({ situation }: Episode, { intent }: Member): boolean {
  const { state, nodeName } = situation;
  return intent.volumes.every(({ pv }) => {
    const attachment = attachmentOf(state, nodeName, pv);
    return attachment === undefined || isConfirmed(state, attachment);
  });
}

function isSteady(pod: PodView): boolean {
  return pod.restartPolicy === 'Always' && pod.owner?.kind !== 'Job';
}

/** PV name to the given pods that claim it. */
function wantedBy({ situation }: Episode, pods: readonly PodView[]): Map<string, PodView[]> {
  const { state } = situation;
  const wanted = new Map<string, PodView[]>();
  for (const pod of pods) {
    for (const volume of pod.volumes) {
      if (volume.kind !== 'claim') continue;
      const claim = state.claims.get(keyOf({ namespace: pod.namespace, name: volume.claim }));
      if (claim !== undefined) wanted.set(claim.pv, [...(wanted.get(claim.pv) ?? []), pod]);
    }
  }
  return wanted;
}
