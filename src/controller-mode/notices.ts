import type { Instant } from '../shared/clock.ts';
import { type PodView, keyOf } from '../shared/model.ts';
import type { Notice, ObjectReference } from '../shared/mode.ts';
import { fencedTaint } from '../shared/names.ts';
import { type Episode, isOfStorage } from './episode.ts';
import type { Trouble } from './evidence.ts';
import type { Situation } from './guards.ts';
import type { Hold } from './hold.ts';
import type { Rule } from './scope-rules.ts';
import { isUnsafe } from './unsafe.ts';
import type { Verdict } from './verdict.ts';
import { claimedVolumes } from './volumes.ts';

/**
 * Every Event of this mode, one function per transition. One sentence each: what, where, why, and
 * what comes next. `key` carries what makes it another occurrence: the epoch, or the incident.
 */

export function aboutPod(pod: PodView): ObjectReference {
  return { kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid };
}

/** One failure of a node; `incident` tells it from the next one, alike for every replica. */
export interface Failure {
  readonly situation: Situation;
  readonly verdict: Verdict;
  readonly incident: string;
}

/** Why a pod on a failed node stays where it is. */
export function podNotMoved(
  { situation, verdict, incident }: Failure,
  pod: PodView,
  why: Hold,
): Notice {
  return {
    about: aboutPod(pod),
    type: 'Warning',
    reason: 'FailoverHeld',
    note:
      `Not moved away from node ${situation.nodeName}, which is ${verdict.kind} ` +
      `(${verdict.reason}). ${why.word}: ${why.detail}.`,
    key: `FailoverHeld/${why.word}/${incident}`,
    word: why.word,
  };
}

/** A volume of this pod is of no use on its node, and that is no reason to move it, or not yet. */
export function podInTrouble(
  { nodeName }: Situation,
  pod: PodView,
  { handle, rule, trouble }: { handle: string; rule: Rule; trouble: Trouble },
): Notice {
  const { status, reason, message } = trouble.health;
  const said = [reason, message].filter((part) => part !== '').join(': ');
  const word = `scope-${rule.scope}`;
  return {
    about: aboutPod(pod),
    type: 'Warning',
    reason: 'FailoverHeld',
    note:
      `Not moved away from node ${nodeName}, which reports volume ${handle} ${status}` +
      `${said === '' ? '' : ` (${said})`}. ${word}: ${rule.why}.`,
    key: `FailoverHeld/${word}/${nodeName}/${handle}`,
    word,
  };
}

/** The same while an episode runs: this pod is not part of it. */
export function podHeld(episode: Episode, pod: PodView, why: Hold): Notice {
  const { situation, verdict, record } = episode;
  return podNotMoved({ situation, verdict, incident: record.epoch }, pod, why);
}

/** Begun and waiting: what for, and for which object. */
export function podWaits(episode: Episode, pod: PodView, why: Hold): Notice {
  return waits(episode, aboutPod(pod), why);
}

export function waits(episode: Episode, about: ObjectReference, why: Hold): Notice {
  const { situation, record } = episode;
  const stage = why.stage === undefined ? '' : `/${why.stage}`;
  return {
    about,
    type: 'Warning',
    reason: 'FailoverWaiting',
    note: `Failover away from node ${situation.nodeName} waits. ${why.word}: ${why.detail}.`,
    key: `FailoverWaiting/${why.word}${stage}/${record.epoch}`,
    word: why.word,
  };
}

/** What comes next for this pod. */
function nextFor({ situation, record }: Episode, pod: PodView): string {
  if (isUnsafe(situation.state)) {
    return (
      `Pod ${keyOf(pod)} runs elsewhere now, and nobody says that the node cannot write to its ` +
      `volumes any more (--unsafe-move-without-fence).`
    );
  }
  const what = isOfStorage(record)
    ? `Pod ${keyOf(pod)} is ended there, if need be by taking its volumes away`
    : `Its access to the volumes of pod ${keyOf(pod)} is taken away now`;
  return `${what}; then the pod runs elsewhere.`;
}

/** The episode has begun for this pod; stands on the pod and on its claims. */
export function podStarted(episode: Episode, pod: PodView): Notice[] {
  const { situation, record } = episode;
  const note =
    `Node ${situation.nodeName} has failed (${record.reason}). ${nextFor(episode, pod)} ` +
    `Epoch ${record.epoch}.`;
  const started = (about: ObjectReference): Notice => ({
    about,
    type: 'Warning',
    reason: 'FailoverStarted',
    note,
    key: `FailoverStarted/${record.epoch}`,
    word: 'started',
  });
  return [started(aboutPod(pod)), ...claimsOf(situation, pod).map(started)];
}

/** The fence of this volume is confirmed; on the claim. */
export function volumeFenced(episode: Episode, about: ObjectReference, handle: string): Notice {
  const { situation, record } = episode;
  return {
    about,
    type: 'Normal',
    reason: 'VolumeFenced',
    note:
      `Volume ${handle} was taken away from node ${situation.nodeName}: the driver unpublished ` +
      `it and the hold keeps it from being published there again. Epoch ${record.epoch}.`,
    key: `VolumeFenced/${record.epoch}`,
    word: 'fenced',
  };
}

/** The replacement is bound elsewhere and the old attachment is gone; on pod and claims. */
export function podCompleted(episode: Episode, replacement: PodView): Notice[] {
  const { situation, record } = episode;
  const completed = (about: ObjectReference): Notice => ({
    about,
    type: 'Normal',
    reason: 'FailoverCompleted',
    note:
      `Pod ${keyOf(replacement)} was moved from failed node ${situation.nodeName} to node ` +
      `${replacement.nodeName}. Epoch ${record.epoch}.`,
    key: `FailoverCompleted/${record.epoch}`,
    word: 'completed',
  });
  return [completed(aboutPod(replacement)), ...claimsOf(situation, replacement).map(completed)];
}

/** The verdict of one node, where a person should know of it. */
export function nodeVerdict(situation: Situation, verdict: Verdict, incident: string): Notice[] {
  const sentences: Partial<Record<Verdict['kind'], string>> = {
    Lost: 'Neither the agent nor the kubelet of this node shows life; its labelled pods are moved.',
    KubeletDead:
      'The kubelet of this node is dead while the machine lives; its labelled pods are moved.',
    StorageLost:
      'This node cannot use volumes that the storage finds well; their labelled pods are moved.',
    AgentDown:
      'The csi-failover agent of this node shows no life while its kubelet does; nothing is moved.',
    DriverDown:
      'The CSI driver on this node does not answer; new pods are kept away, nothing is moved.',
  };
  const sentence = sentences[verdict.kind];
  if (sentence === undefined) return [];
  return aboutNode(situation, 'Warning', `Node${verdict.kind}`, {
    note: `${sentence} Reason: ${verdict.reason}. Driver ${situation.state.policy.driver}.`,
    key: `Node${verdict.kind}/${incident}`,
    word: verdict.reason,
  });
}

/** Kubernetes will move its pods by its own clock; for us it is no failure. */
export function nodeNotReady(situation: Situation, since: Instant): Notice[] {
  const { state, nodeName } = situation;
  return aboutNode(situation, 'Warning', 'NodeNotReady', {
    note:
      'Its Ready condition is False while its agent and its kubelet show life; nothing is moved. ' +
      `The condition says what is wrong. Driver ${state.policy.driver}.`,
    key: `NodeNotReady/${state.nodes.get(nodeName)?.bootId ?? ''}`,
    word: 'Ready=False',
    ...(since > state.leadingSince ? { again: String(Math.round(since)) } : {}),
  });
}

/** An episode stands: the node is kept from new pods until it is proven clean. */
export function nodeFenced({ situation, record }: Episode): Notice[] {
  const taint = fencedTaint(situation.state.policy.driver);
  return aboutNode(situation, 'Warning', 'NodeFenced', {
    note:
      `This node has failed (${record.reason}). Taint ${taint} keeps new pods away until it has ` +
      `proven to be clean. Epoch ${record.epoch}.`,
    key: `NodeFenced/${record.epoch}`,
    word: 'fenced',
  });
}

/** Failed over, and not given back yet: why. */
export function nodeKept({ situation, record }: Episode, why: Hold): Notice[] {
  return aboutNode(situation, 'Normal', 'NodeKeptFenced', {
    note:
      `Failover is done; this node stays tainted. ${why.word}: ${why.detail}. A person can end ` +
      `it with annotation csi-failover.io/release=${record.epoch}.`,
    key: `NodeKeptFenced/${why.word}/${record.epoch}`,
    word: why.word,
  });
}

/** Given back to the scheduler, or the intent was taken back. */
export function nodeReleased({ situation, record }: Episode): Notice[] {
  const withdrawn = record.reason === 'withdrawn';
  return aboutNode(situation, 'Normal', withdrawn ? 'FailoverWithdrawn' : 'NodeReleased', {
    note: withdrawn
      ? `This node showed life again before anything was taken away from it. Epoch ${record.epoch}.`
      : `This node has proven to be clean and takes new pods again. Epoch ${record.epoch}.`,
    key: `NodeReleased/${record.epoch}`,
    word: withdrawn ? 'withdrawn' : 'released',
  });
}

function aboutNode(
  { state, nodeName }: Situation,
  type: Notice['type'],
  reason: string,
  text: Pick<Notice, 'note' | 'key' | 'word' | 'again'>,
): Notice[] {
  const node = state.nodes.get(nodeName);
  if (node === undefined) return [];
  const about = { kind: 'Node', namespace: '', name: node.name, uid: node.uid } as const;
  return [{ about, type, reason, ...text }];
}

/** Claims and PVs that name each other: a stale PV must not speak to the claim of another. */
function claimsOf({ state }: Situation, pod: PodView): ObjectReference[] {
  return claimedVolumes(state, pod).flatMap((volume) => {
    if (volume.kind !== 'ours') return [];
    const { claimNamespace: namespace, claimName: name, claimUid: uid } = volume.pv;
    return [{ kind: 'PersistentVolumeClaim', namespace, name, uid } as const];
  });
}
