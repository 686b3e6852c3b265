/**
 * One failover of one node, step by step. THE SAFETY ARGUMENT OF THIS PROJECT STANDS HERE.
 *
 *   Intent -> Keep away -> (End in order) -> Fence -> Evict -> Detach -> Confirm -> Release
 *
 * The claim: no replacement writes to a volume while the pod that it replaces still can.
 *
 * 1. A replacement can only start once its predecessor is evicted, because Kubernetes wants one
 *    pod: the StatefulSet waits for the old object, the scheduler for a place, attach/detach for
 *    the old attachment (RWO). We evict; so it is enough that no pod is evicted before the fence
 *    of *every* volume of it is confirmed (`evict`, `isConfirmed`).
 * 2. A confirmed fence is the hold: the VolumeAttachment is being deleted, the attacher has taken
 *    its own finalizer off, which it does only after ControllerUnpublishVolume succeeded, and our
 *    finalizer keeps the object. It is durable: the attacher never publishes a deleting
 *    VolumeAttachment, and attach/detach cannot create another one, because the name is taken.
 * 3. The hold goes only when no unfinished pod on the node uses the volume (`detach`), so nothing
 *    wants it there any more, and our NoSchedule taint, which stands since before the first fence
 *    (`fence` waits for it), keeps new pods away until the node has proven to be clean (`release`).
 * 4. Whoever shares the volume on the node and would keep it desired is part of the episode, or
 *    nothing is fenced (guard `shared-volume`, checked again right before the fence).
 * 5. Every step is read off the cluster's objects, never off our memory; so a restart, another
 *    leader or a lost reply only repeat a step that is idempotent and carries its precondition
 *    (uid, resourceVersion, the record's epoch, read consistently in act.ts).
 * 6. On a node whose kubelet works (StorageLost) a pod may also be *ended*: deleted with a grace,
 *    never with grace 0, so that its object goes only after the kubelet has ended its containers
 *    and unmounted its volumes (pkg/kubelet/status, "pod resources are reclaimed"), and
 *    attach/detach lets go only of what the kubelet does not have in use. That is the proof of the
 *    machine itself, and needs no fence (`endInOrder`). Whatever does not end in time is fenced
 *    before it is evicted, as in 1 to 5 (`mayForce`); so is, from the start, what Kubernetes would
 *    replace before it has ended (`isReplacedAtOnce`).
 * 7. Nobody takes the steps of 6 because a driver says "abnormal": they begin only when the trouble
 *    is this node's by the rules of scope-rules.ts, has lasted, is vouched for by the storage
 *    moments ago (`proven`), and stands in the agent's report by a consistent read (act.ts).
 */
import type { PodView } from '../shared/model.ts';
import { fencedTaint } from '../shared/names.ts';
import type { FencedVolume } from '../shared/record.ts';
import { action } from './actions.ts';
import { detach } from './detach.ts';
import { type Episode, hasOwnTaint, isCommitted } from './episode.ts';
import { evict } from './evict.ts';
import { unannounced } from './foreign-volume.ts';
import { endInOrder, mayForce } from './graceful.ts';
import { hasLostVolume } from './half-moved.ts';
import type { Hold } from './hold.ts';
import { join } from './join.ts';
import { podWaits } from './notices.ts';
import { settlePhase } from './phase.ts';
import { refusedHold } from './refusal.ts';
import { close, release, withdraw } from './release.ts';
import { isBare, isHoldable } from './unsafe.ts';
import { isDead } from './verdict.ts';
import { attachmentOf, holdOf, isConfirmed, usersOf } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** Wants the next steps of an episode that has been begun, whoever began it. */
export function failover(episode: Episode, candidates: readonly PodView[], wanted: Wanted): void {
  const { record } = episode;
  if (record.phase === 'Released') {
    close(episode, wanted);
    return;
  }
  if (!isCommitted(episode) && withdraw(episode, wanted)) return;
  keepAway(episode, wanted);
  const { held, joining } = join(episode, candidates, wanted);
  endInOrder(episode, held, wanted);
  fence(episode, held, wanted);
  verify(episode, wanted);
  const evicting = evict(episode, held, wanted);
  detach(episode, evicting, wanted);
  settlePhase(episode, joining, wanted);
  if (record.phase === 'Moved') release(episode, wanted);
}

/** Step 2. Without our taint the replacement is scheduled straight back onto the dead node. */
function keepAway(episode: Episode, wanted: Wanted): void {
  const { node, situation, heartbeat, members, memory } = episode;
  if (node === undefined || hasOwnTaint(episode)) return;
  const refused = refusedHold(memory.refusal, 'SetTaint', situation.now);
  if (refused !== undefined) {
    wanted.notices.push(...members.map(({ pod }) => podWaits(episode, pod, refused)));
  }
  const key = fencedTaint(situation.state.policy.driver);
  const taint = { key, value: '' };
  const record = { heartbeat, epoch: episode.record.epoch };
  wanted.actions.push(
    action('SetTaint', `${key}/${node.uid}`, { node: node.name, nodeUid: node.uid, taint, record }),
  );
}

/** Step 3. Takes the volumes away from the node, one hold each. */
function fence(episode: Episode, held: ReadonlyMap<string, Hold>, wanted: Wanted): void {
  const { situation, record, heartbeat } = episode;
  const { state, nodeName } = situation;
  for (const volume of record.volumes) {
    const attachment = attachmentOf(state, nodeName, volume.pv);
    if (attachment === undefined) continue;
    const stage = holdOf(attachment);
    const goesOn = stage === 'begun' && !isPaused(episode, volume, held);
    if (goesOn || (stage === 'free' && mayFence(episode, volume, held, wanted))) {
      wanted.actions.push(
        action('Hold', attachment.uid, {
          node: nodeName,
          attachment,
          heartbeat,
          epoch: record.epoch,
          ...(isBare(state) ? { bare: true } : {}),
        }),
      );
    }
  }
}

/** Until the object is deleted nothing is taken away, and a person may still stop it. */
function isPaused(
  { situation }: Episode,
  { pv }: FencedVolume,
  held: ReadonlyMap<string, Hold>,
): boolean {
  const users = usersOf(situation.state, situation.nodeName, pv);
  return users.some(({ uid }) => held.get(uid)?.word === 'paused');
}

/** Asks the driver, where it can tell, whether what the attacher confirmed is so. */
function verify({ situation, record, memory }: Episode, wanted: Wanted): void {
  const { state, nodeName } = situation;
  if (state.capabilities?.listsPublishedNodes !== true) return;
  const current = state.csinodes.get(nodeName)?.nodeIds[state.policy.driver] ?? '';
  const unverified = record.volumes.flatMap(({ handle, pv }) => {
    const attachment = attachmentOf(state, nodeName, pv);
    if (attachment === undefined || holdOf(attachment) !== 'held') return [];
    if (isConfirmed(state, attachment)) return [];
    return [{ handle, nodeId: attachment.nodeId || current, uid: attachment.uid }];
  });
  if (unverified.length === 0) return;
  // One listing at a time: whatever is held meanwhile is asked for by the next one.
  const round = memory.revoked.size;
  wanted.actions.push(
    action('VerifyRevoked', `${record.epoch}/${round}`, {
      node: nodeName,
      epoch: record.epoch,
      knownNodeIds: situation.knownNodeIds(),
      volumes: unverified,
    }),
  );
}

/** Everything that must be true at the moment before a volume is taken away. */
function mayFence(
  episode: Episode,
  volume: FencedVolume,
  held: ReadonlyMap<string, Hold>,
  wanted: Wanted,
): boolean {
  const { situation, node, members, verdict } = episode;
  const { state, nodeName } = situation;
  if (node !== undefined && !hasOwnTaint(episode)) return false;
  const attachment = attachmentOf(state, nodeName, volume.pv);
  if (attachment === undefined || !isHoldable(state, attachment)) return false;
  const intents = new Map(members.map(({ pod, intent }) => [pod.uid, intent]));
  const users = usersOf(state, nodeName, volume.pv);
  const everyUserComes = users.every(
    (pod) => intents.has(pod.uid) && !held.has(pod.uid) && unannounced(state, pod) === undefined,
  );
  if (!everyUserComes) return false;
  if (isDead(verdict) || users.some((pod) => hasLostVolume(state, pod))) return true;
  return mayForce(episode, volume, users, wanted);
}
