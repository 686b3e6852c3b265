import { type PodView, keyOf } from '../shared/model.ts';
import type { Notice, ObjectReference } from '../shared/mode.ts';
import { type Episode, isOfStorage } from './episode.ts';
import type { Trouble } from './evidence.ts';
import type { Situation } from './guards.ts';
import type { Hold } from './hold.ts';
import type { Rule } from './scope-rules.ts';
import { isUnsafe } from './unsafe.ts';
import type { Verdict } from './verdict.ts';
import { claimedVolumes } from './volumes.ts';

/**
 * Every Event of this mode, one function per transition; those on Nodes stand in node-notices.ts.
 * One sentence each: what, where, why, and what comes next. `key` carries what makes it another
 * occurrence: the epoch, or the incident.
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

/** Claims and PVs that name each other: a stale PV must not speak to the claim of another. */
function claimsOf({ state }: Situation, pod: PodView): ObjectReference[] {
  return claimedVolumes(state, pod).flatMap((volume) => {
    if (volume.kind !== 'ours') return [];
    const { claimNamespace: namespace, claimName: name, claimUid: uid } = volume.pv;
    return [{ kind: 'PersistentVolumeClaim', namespace, name, uid } as const];
  });
}
