import { standsForAll } from '../shared/adopted.ts';
import { type NodeView, uniqueVolumeName } from '../shared/model.ts';
import { fencedTaint, releaseAnnotation } from '../shared/names.ts';
import { bootIdOfHolder } from '../shared/record.ts';
import { action } from './actions.ts';
import {
  type Episode,
  hasOutOfService,
  hasOwnTaint,
  isBack,
  isOfStorage,
  lockedUntil,
} from './episode.ts';
import { type Hold, hold } from './hold.ts';
import { nodeKept, nodeReleased, nodeStillTainted } from './node-notices.ts';
import { clearOutOfService } from './out-of-service.ts';
import { outOfServiceLingerMs } from './policy.ts';
import { updateRecord } from './phase.ts';
import { refusedHold } from './refusal.ts';
import { heartbeatOf, kubeletOf } from './state.ts';
import { podsMarkedFor } from './stray-intent.ts';
import { isHoldable } from './unsafe.ts';
import { attachmentOf, usersOf } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/**
 * The way back. A record is first written `Released`, alone and with nothing else in flight for
 * the node; only then go the marks, the taint, and at last the record. So whoever takes over in
 * the middle never re-taints a node that was given back, and never gives back one that was not.
 */
export function release(episode: Episode, wanted: Wanted): void {
  const why = notReleasable(episode);
  if (why === undefined) {
    updateRecord(episode, { phase: 'Released' }, wanted);
    return;
  }
  if (why.until !== undefined) wanted.wakeAt.push(why.until);
  wanted.notices.push(...nodeKept(episode, why));
}

/**
 * Takes an intent back while no fence has been sent and the node lives, or is gone with all that
 * could be fenced. Answers whether the episode is on this way, so that nothing else is wanted for
 * it.
 */
export function withdraw(episode: Episode, wanted: Wanted): boolean {
  const lives = isBack(episode) && !hasEndedSome(episode);
  if (!lives && !isGoneForGood(episode)) return false;
  const locked = lockedUntil(episode.situation);
  if (locked !== undefined) wanted.wakeAt.push(locked);
  else {
    const { situation, record } = episode;
    const unheld = record.volumes.flatMap(
      ({ pv }) => attachmentOf(situation.state, situation.nodeName, pv) ?? [],
    );
    updateRecord(episode, { phase: 'Released', reason: 'withdrawn' }, wanted, unheld);
  }
  return true;
}

/**
 * The Node is gone, and nothing is attached to it (the verdict is `Unknown` then), or only what the
 * attacher has never published: with the Node it knows no id to publish to, and who wanted that has
 * been ended by others.
 */
function isGoneForGood({ verdict, situation, record, members }: Episode): boolean {
  if (verdict.kind === 'Unknown') return true;
  if (verdict.kind !== 'Gone' || members.length > 0) return false;
  const { state, nodeName } = situation;
  return record.volumes.every(({ pv }) => {
    const attachment = attachmentOf(state, nodeName, pv);
    const isIdle = attachment === undefined || !isHoldable(state, attachment);
    return isIdle && usersOf(state, nodeName, pv).length === 0;
  });
}

/** A pod of a node that lives has gone already: that part of the episode is finished in order. */
function hasEndedSome({ situation, record }: Episode): boolean {
  const { state, nodeName } = situation;
  return (
    isOfStorage(record) &&
    record.volumes.some(({ pv }) => usersOf(state, nodeName, pv).length === 0)
  );
}

/** The last steps, after `Released` was written: marks, taints, then the record itself. */
export function close(episode: Episode, wanted: Wanted): void {
  const { situation, node, heartbeat, record, memory } = episode;
  const { state, nodeName, now } = situation;
  const { driver } = state.policy;
  const before = wanted.actions.length;
  const tainted = node !== undefined && hasOwnTaint(episode);
  if (tainted) {
    const taint = { key: fencedTaint(driver), value: '' };
    const fields = { node: nodeName, nodeUid: node.uid, taint };
    wanted.actions.push(action('ClearTaint', taint.key, fields));
  }
  if (node !== undefined && hasOutOfService(episode)) {
    clearOutOfService(node, situation, wanted);
  }
  const marked = podsMarkedFor(state, nodeName).length > 0;
  if (!marked && wanted.actions.length === before) {
    const taint = fencedTaint(driver);
    const fields = { node: nodeName, heartbeat, epoch: record.epoch, taint };
    wanted.actions.push(action('RemoveRecord', record.epoch, fields, true));
  }
  const refused = refusedHold(memory.refusal, 'ClearTaint', now);
  if (!tainted) wanted.notices.push(...nodeReleased(episode));
  else if (refused !== undefined) wanted.notices.push(...nodeStillTainted(episode, refused));
}

/** Why this node may not be given back yet; undefined: it has proven to be clean. */
function notReleasable(episode: Episode): Hold | undefined {
  const { situation, node, record, memory } = episode;
  const { state, now, nodeName } = situation;
  const locked = lockedUntil(episode.situation);
  if (locked !== undefined) {
    return {
      ...hold('settling', 'a call of the former leader may still be running'),
      until: locked,
    };
  }
  // Whoever has not seen the whole episode does not know whether the taint has stood.
  const lingersFrom = Math.max(memory.outOfServiceGoneAt ?? 0, memory.recordSeenAt);
  const lingersUntil = lingersFrom + outOfServiceLingerMs;
  if (now < lingersUntil) {
    return {
      ...hold('settling', 'readers of the out-of-service taint may not have seen it go yet'),
      until: lingersUntil,
    };
  }
  const [attachment] = record.volumes.flatMap(({ pv }) => attachmentOf(state, nodeName, pv) ?? []);
  if (attachment !== undefined) {
    return hold('attached', `VolumeAttachment ${attachment.name} names it`);
  }
  if (node === undefined) return undefined;
  if (node.annotations[releaseAnnotation] === record.epoch) return undefined;
  return unclean(episode, node);
}

/** Needs the kubelet's agreement, and a new life of the machine or the word of its agent. */
function unclean(episode: Episode, node: NodeView): Hold | undefined {
  const { record } = episode;
  const rebooted = record.bootId !== '' && node.bootId !== '' && node.bootId !== record.bootId;
  // In a new life of the machine whatever else is in use there was mounted anew.
  const ofAll = standsForAll(record) && !rebooted;
  const why = kubeletDisagrees(episode, node, ofAll);
  if (why !== undefined) return why;
  if (rebooted || isAttestedClean(episode)) return undefined;
  return hold('not-clean', 'its agent has not attested that nothing of the volumes is left on it');
}

function kubeletDisagrees(
  { situation, record, memory }: Episode,
  node: NodeView,
  ofAll: boolean,
): Hold | undefined {
  const { state, nodeName } = situation;
  const kubelet = kubeletOf(state, nodeName);
  if (kubelet === undefined || kubelet.renewals === 0 || kubelet.renewedAt <= memory.recordSeenAt) {
    return hold('not-back', 'its kubelet has not renewed its Lease since the fence');
  }
  if (node.ready !== 'True') return hold('not-back', `its Ready condition is ${node.ready}`);
  const { driver } = state.policy;
  const fenced = new Set(record.volumes.map(({ handle }) => uniqueVolumeName(driver, handle)));
  const inUse = node.volumesInUse.find((name) =>
    ofAll ? name.startsWith(uniqueVolumeName(driver, '')) : fenced.has(name),
  );
  return inUse === undefined ? undefined : hold('in-use', `its kubelet still has ${inUse} in use`);
}

/**
 * The attestation quotes this epoch, is of the life of the machine that renews now, and was
 * renewed after we saw that all has moved: an earlier one knew a shorter list of volumes.
 */
function isAttestedClean({ situation, record, memory }: Episode): boolean {
  const { state, nodeName, now } = situation;
  const agent = heartbeatOf(state, nodeName);
  if (agent === undefined || now - agent.renewedAt >= state.policy.lostAfterMs) return false;
  if (agent.renewedAt <= (memory.movedAt ?? now)) return false;
  const clean = agent.report?.clean;
  return clean?.epoch === record.epoch && clean.bootId === bootIdOfHolder(agent.view.holder);
}
