import type { Instant } from '../shared/clock.ts';
import type { NodeSelectorTerms, PodView } from '../shared/model.ts';
import {
  dryRunAnnotation,
  fencedTaint,
  pausedAnnotation,
  policyAnnotation,
} from '../shared/names.ts';
import { begunUntil } from './begun.ts';
import { foreignVolume } from './foreign-volume.ts';
import { type Hold, hold } from './hold.ts';
import { foreignOutOfService } from './out-of-service.ts';
import { fits, matchesAny, tolerates } from './placement.ts';
import { stormBound } from './policy.ts';
import type { Overview } from './scope.ts';
import { type State, heartbeatOf, memoryOf } from './state.ts';
import { switched, switchValue } from './switches.ts';
import { flapsUntil, troubleWith } from './trouble.ts';
import { unfenceable } from './unfenceable.ts';
import { isUnheard } from './unheard.ts';
import { type Verdict, isTroubled } from './verdict.ts';
import { attachmentOf, claimedVolumes, isFinished, ourVolumes, usersOf } from './volumes.ts';

/** What a guard may look at. */
export interface Situation {
  readonly state: State;
  readonly now: Instant;
  readonly nodeName: string;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** Set if too many nodes are in trouble at once. */
  readonly storm: Hold | undefined;
  /** What the nodes say together of their volumes. */
  readonly overview: Overview;
  /** The ids under which the driver knows its nodes: gathered when first asked for. */
  readonly knownNodeIds: () => ReadonlySet<string>;
  /** Nothing has failed: what would hold, if the node failed on an ordinary day? */
  readonly isWhatIf?: true;
}

type Guard = (situation: Situation, pod: PodView) => Hold | undefined;

/**
 * Every reason not to move a pod, in the order in which people are told: the first that applies
 * is shown. `not-leader` and `own-view-stale` come before all of these, in decide.ts, because
 * then nothing is decided at all; `shared-volume` needs the whole set of pods and stands below.
 */
export const guards: Readonly<Record<string, Guard>> = {
  paused: ({ state }, pod) => switched(state, pod, 'paused', pausedAnnotation),
  storm: ({ storm }) => storm,
  unfenceable: ({ state, nodeName, verdicts }) =>
    unfenceable(state, verdicts.get(nodeName)?.kind === 'StorageLost'),
  flapping: flaps,
  'foreign-volume': ({ state }, pod) => foreignVolume(state, pod),
  namespace: ({ state }, pod) =>
    state.policy.namespaces.length === 0 || state.policy.namespaces.includes(pod.namespace)
      ? undefined
      : hold('namespace', `flag --namespaces does not name ${pod.namespace}`),
  retain: (_situation, pod) =>
    pod.annotations[policyAnnotation] === 'retain'
      ? hold('retain', `annotation ${policyAnnotation}=retain`)
      : undefined,
  'not-movable': notMovable,
  'node-id-changed': nodeIdChanged,
  'duplicate-node': duplicateNode,
  'other-remediator': otherRemediator,
  cooldown,
  'last-place': lastPlace,
  // Last, so that a rehearsal shows what would really happen.
  'dry-run': ({ state }, pod) =>
    state.policy.dryRun
      ? hold('dry-run', 'flag --dry-run: everything else would let this pod move')
      : switched(state, pod, 'dry-run', dryRunAnnotation),
};

/** Guards that hold for a while only, whatever the pod is like. */
const passing: ReadonlySet<string> = new Set(['storm', 'flapping', 'duplicate-node', 'cooldown']);

/** The first guard that holds this pod, or undefined: it may move. */
export function firstHold(situation: Situation, pod: PodView): Hold | undefined {
  for (const [word, guard] of Object.entries(guards)) {
    if (situation.isWhatIf === true && passing.has(word)) continue;
    const found = guard(situation, pod);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The only holds of a pod that has lost a volume, maybe to the instance beside another driver. */
function lastHold(situation: Situation, pod: PodView): Hold | undefined {
  return guards.paused?.(situation, pod) ?? guards.unfenceable?.(situation, pod);
}

/**
 * Which of these pods may move together. A volume that a pod outside of the episode uses on this
 * node keeps its VolumeAttachment desired, and then the old writer gets its access back; so such
 * a pod is held, and with it whatever shares another volume with it. `taken` are uids of pods
 * that have lost a volume already: those are finished, and only a person can still stop that, or
 * that nothing of this driver can be fenced.
 */
export function movable(
  situation: Situation,
  candidates: readonly PodView[],
  taken: ReadonlySet<string>,
): { readonly pods: readonly PodView[]; readonly holds: ReadonlyMap<string, Hold> } {
  const { state, nodeName } = situation;
  const holds = new Map<string, Hold>();
  let pods = candidates.filter((pod) => {
    const found = taken.has(pod.uid) ? lastHold(situation, pod) : firstHold(situation, pod);
    if (found !== undefined) holds.set(pod.uid, found);
    return found === undefined;
  });
  for (;;) {
    const uids = new Set(pods.map((pod) => pod.uid));
    const next = pods.filter((pod) => {
      const other = ourVolumes(state, pod)
        .flatMap((volume) => usersOf(state, nodeName, volume.pv))
        .find((user) => !uids.has(user.uid));
      if (other === undefined || taken.has(pod.uid)) return true;
      const who = `pod ${other.namespace}/${other.name}`;
      holds.set(pod.uid, hold('shared-volume', `${who} on this node uses the same volume`));
      return false;
    });
    if (next.length === pods.length) return { pods, holds };
    pods = next;
  }
}

/** Too many nodes of this driver in trouble: more likely we or the network are, not they. */
export function stormHold(
  state: State,
  verdicts: ReadonlyMap<string, Verdict>,
  inEpisode: ReadonlySet<string>,
  now: Instant,
): Hold | undefined {
  if (switchValue(state, 'storm-override')) return undefined;
  let troubled = 0;
  let unheard = 0;
  let until: Instant | undefined;
  for (const [name, verdict] of verdicts) {
    const begun = begunUntil(state.memory.get(name), now);
    if (begun !== undefined) until = Math.min(begun, until ?? begun);
    if (isTroubled(verdict) || inEpisode.has(name) || begun !== undefined) troubled += 1;
    else if (isUnheard(state, name, verdict)) unheard += 1;
  }
  const bound = stormBound(state.policy, verdicts.size);
  if (troubled + unheard <= bound) return undefined;
  const others = unheard === 0 ? '' : ` and ${unheard} not heard since our view was interrupted`;
  const detail =
    `${troubled} of ${verdicts.size} nodes are in trouble at once${others}, ` +
    `at most ${bound} may be moved`;
  return { ...hold('storm', detail), ...(until !== undefined && { until }) };
}

function notMovable({ state }: Situation, pod: PodView): Hold | undefined {
  const why = (text: string): Hold => hold('not-movable', text);
  if (isFinished(pod)) return why('it has finished');
  if (!pod.selected) return why('no --pod-selector selects it any more');
  if (pod.mirror) return why('it is a static pod of this node');
  if (pod.owner?.kind === 'DaemonSet') return why('it belongs to a DaemonSet');
  if (pod.owner === undefined && pod.annotations[policyAnnotation] !== 'delete') {
    return why(`nothing would create it again (allow it by ${policyAnnotation}=delete)`);
  }
  const taint = { key: fencedTaint(state.policy.driver), value: '', effect: 'NoSchedule' };
  if (tolerates(pod.tolerations, taint)) {
    return why('it tolerates every taint and would come straight back to this node');
  }
  const pinned = claimedVolumes(state, pod).find(
    (volume) => volume.kind === 'ours' && isPinned(state, volume.pv.nodeAffinity, pod.nodeName),
  );
  return pinned && why(`claim ${pinned.claim} is pinned to this node`);
}

/** The volume can be reached from this node only: local storage, whatever the driver calls it. */
function isPinned(state: State, terms: NodeSelectorTerms | undefined, nodeName: string): boolean {
  if (terms === undefined) return false;
  for (const node of state.nodes.values()) {
    if (node.name !== nodeName && matchesAny(terms, node)) return false;
  }
  return true;
}

/** The attacher unpublishes the id that CSINode names at that moment, whatever it published to. */
function nodeIdChanged({ state, nodeName }: Situation, pod: PodView): Hold | undefined {
  const current = state.csinodes.get(nodeName)?.nodeIds[state.policy.driver];
  // Without a CSINode entry the attacher falls back to the very id it published with.
  if (current === undefined) return undefined;
  const differs = (id: string): boolean => id !== '' && id !== current;
  for (const volume of ourVolumes(state, pod)) {
    const published = attachmentOf(state, nodeName, volume.pv)?.nodeId ?? '';
    if (!differs(published)) continue;
    const was = `volume ${volume.handle} was published to node id ${published}`;
    return hold('node-id-changed', `${was}, CSINode says ${current}`);
  }
  // Where the attacher has looked meanwhile, it has published to the new id and noted that instead.
  const reported = heartbeatOf(state, nodeName)?.report?.nodeId ?? '';
  const detail = `the agent last knew the node as ${reported}, CSINode says ${current}`;
  return differs(reported) ? hold('node-id-changed', detail) : undefined;
}

function duplicateNode({ state, now, nodeName }: Situation): Hold | undefined {
  const seenAt = state.memory.get(nodeName)?.duplicateSeenAt;
  const until = (seenAt ?? 0) + 10 * state.policy.lostAfterMs;
  return seenAt !== undefined && now < until
    ? { ...hold('duplicate-node', 'two machines renew the heartbeat of this node'), until }
    : undefined;
}

function otherRemediator({ state, nodeName }: Situation): Hold | undefined {
  const node = state.nodes.get(nodeName);
  const taint = node && foreignOutOfService(node);
  return taint && hold('other-remediator', `somebody else put ${taint.key}=${taint.value} on it`);
}

/** A volume that comes and goes on a node that lives: nobody knows what it will do next. */
function flaps({ state, now, nodeName, verdicts }: Situation, pod: PodView): Hold | undefined {
  if (verdicts.get(nodeName)?.kind !== 'StorageLost') return undefined;
  const memory = memoryOf(state, nodeName);
  for (const { handle } of ourVolumes(state, pod)) {
    const trouble = troubleWith(memory, handle);
    const until = trouble && flapsUntil(trouble, now);
    if (until !== undefined) {
      return { ...hold('flapping', `volume ${handle} comes and goes on this node`), until };
    }
  }
  return undefined;
}

function cooldown({ state, now, nodeName }: Situation): Hold | undefined {
  const memory = state.memory.get(nodeName);
  if (memory?.movedAt === undefined || memory.recordEpoch !== '') return undefined;
  const until = memory.movedAt + state.policy.cooldownMs;
  if (now >= until) return undefined;
  return { ...hold('cooldown', 'this node was failed over a short while ago'), until };
}

function lastPlace(situation: Situation, pod: PodView): Hold | undefined {
  const { state, nodeName, verdicts } = situation;
  const affinities = claimedVolumes(state, pod).flatMap((volume) =>
    volume.kind !== 'unresolved' && volume.pv.nodeAffinity ? [volume.pv.nodeAffinity] : [],
  );
  for (const [name, verdict] of verdicts) {
    const node = state.nodes.get(name);
    if (name === nodeName || node === undefined || verdict.kind !== 'Alive') continue;
    const usable = node.ready === 'True' && !node.unschedulable && !node.deleting;
    const hasDriver = state.csinodes.get(name)?.nodeIds[state.policy.driver] !== undefined;
    if (usable && hasDriver && fits(pod, node, affinities)) return undefined;
  }
  return hold('last-place', 'no other healthy node has the driver and fits this pod');
}
