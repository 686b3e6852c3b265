import type { PodView } from '../shared/model.ts';
import { action } from './actions.ts';
import { type Situation, movable } from './guards.ts';
import { podInTrouble } from './notices.ts';
import { aloneAt, ruleOf, sustainedAt } from './scope.ts';
import { type State, memoryOf } from './state.ts';
import { isVouchedFor, storageWord } from './storage-view.ts';
import { badVolumes } from './storage-verdict.ts';
import type { Verdict } from './verdict.ts';
import { isFinished, ourVolumes, podsOn } from './volumes.ts';
import type { Wanted } from './wanted.ts';

const askAgainMs = 5_000;

/** Labelled pods of the node that use a volume of our driver. */
export function candidatesOn(state: State, nodeName: string): readonly PodView[] {
  return podsOn(state, nodeName).filter(
    (pod) => pod.selected && !isFinished(pod) && ourVolumes(state, pod).length > 0,
  );
}

/**
 * Those that this verdict is about: all of a node that is dead. Of one that lives only those with a
 * volume that is lost, and whoever shares a volume with one of those and has to go with it.
 */
export function candidatesFor(
  state: State,
  nodeName: string,
  verdict: Verdict,
): readonly PodView[] {
  const all = candidatesOn(state, nodeName);
  return verdict.kind === 'StorageLost' ? usersOfHandles(state, all, verdict.handles) : all;
}

function usersOfHandles(
  state: State,
  pods: readonly PodView[],
  handles: ReadonlySet<string> = new Set(),
): readonly PodView[] {
  const taken = new Set(handles);
  let users: readonly PodView[] = [];
  for (;;) {
    const next = pods.filter((pod) =>
      ourVolumes(state, pod).some(({ handle }) => taken.has(handle)),
    );
    if (next.length === users.length) return users;
    users = next;
    for (const { handle } of users.flatMap((pod) => ourVolumes(state, pod))) taken.add(handle);
  }
}

/** The lost volumes for which the storage has not vouched just now: nothing moves before it has. */
export function unproven(
  { state, now }: Situation,
  { handles }: Verdict,
  pod: PodView,
): readonly string[] {
  return ourVolumes(state, pod)
    .map(({ handle }) => handle)
    .filter((handle) => handles?.has(handle) === true)
    .filter((handle) => storageWord(state, handle, now) !== 'not-offered')
    .filter((handle) => !isVouchedFor(state, handle, now));
}

/** Of these pods those for which everything is proven; for the others the storage is asked. */
export function proven(
  situation: Situation,
  verdict: Verdict,
  pods: readonly PodView[],
  wanted: Wanted,
): readonly PodView[] {
  return pods.filter((pod) => {
    const handles = unproven(situation, verdict, pod);
    for (const handle of handles) ask(situation, handle, wanted);
    return handles.length === 0;
  });
}

/** After a question in vain there is a pause: a verdict that flickers must not hurry it. */
function ask({ state, now, nodeName }: Situation, handle: string, wanted: Wanted): void {
  const againAt = (state.storage.unread.get(handle) ?? Number.NEGATIVE_INFINITY) + askAgainMs;
  if (now < againAt) {
    wanted.wakeAt.push(againAt);
    return;
  }
  wanted.actions.push(action('ConfirmHealth', handle, { node: nodeName, handle }));
}

/**
 * Volumes that this node cannot use and that nothing is done about: asks the storage where its view
 * is all that is missing, and tells people why their pod stays where it is.
 */
export function weigh(situation: Situation, wanted: Wanted): void {
  const { state, now, nodeName, overview } = situation;
  const candidates = candidatesOn(state, nodeName);
  for (const [handle, trouble] of badVolumes(state, nodeName)) {
    const lasts = overview.many ? sustainedAt : aloneAt;
    const lastingAt = lasts(state, memoryOf(state, nodeName), trouble, handle);
    if (now < lastingAt) continue;
    const rule = ruleOf(state, { node: nodeName, handle }, now, overview);
    if (rule.moves === 'move') continue;
    const users = usersOfHandles(state, candidates, new Set([handle]));
    const asks = rule.moves === 'ask' && movable(situation, users, new Set()).pods.length > 0;
    if (asks) ask(situation, handle, wanted);
    // The storage is given the time of one call to answer before people are told.
    const tellAt = asks ? lastingAt + state.policy.timeoutMs : lastingAt;
    if (now < tellAt) wanted.wakeAt.push(tellAt);
    else {
      for (const pod of users) {
        wanted.notices.push(podInTrouble(situation, pod, { handle, rule, trouble }));
      }
    }
  }
}
