import type { PodView } from '../shared/model.ts';
import type { FenceRecord } from '../shared/record.ts';
import { action } from './actions.ts';
import { heartbeatTarget } from './begin.ts';
import { isHalfMoved } from './half-moved.ts';
import { readIntent } from './pod-intent.ts';
import type { State } from './state.ts';
import type { Wanted } from './wanted.ts';

/** Pods whose intent for this node must be taken off before the record of its episode goes. */
export function podsMarkedFor(state: State, nodeName: string): readonly PodView[] {
  const { driver } = state.policy;
  return [...state.markedPods.values()].filter(
    (pod) => readIntent(pod, driver)?.node === nodeName && !isHalfMoved(state, pod),
  );
}

/**
 * Takes intents off pods whose episode was released, or is gone. Also long after: a pod that was
 * marked while our watch of pods lagged shows its intent only when the record is gone already. Not
 * off one that has lost a volume under it: the next episode takes that over (`partakers`), and may
 * have nothing else to know it by.
 */
export function unmarkStrayPods(
  state: State,
  records: ReadonlyMap<string, FenceRecord>,
  wanted: Wanted,
): void {
  for (const pod of state.markedPods.values()) {
    const intent = readIntent(pod, state.policy.driver);
    if (intent === undefined) continue;
    const record = records.get(intent.node);
    if (record?.epoch === intent.epoch && record.phase !== 'Released') continue;
    if (isHalfMoved(state, pod)) continue;
    const { namespace, name, uid } = pod;
    const heartbeat = heartbeatTarget(state, intent.node);
    const { node, epoch } = intent;
    const fields = { node, pod: { namespace, name, uid }, heartbeat, epoch };
    wanted.actions.push(action('UnmarkPod', `${epoch}/${uid}`, fields));
  }
}
