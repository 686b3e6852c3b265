import type { PodView } from '../shared/model.ts';
import { intentAnnotation } from '../shared/names.ts';
import { type FenceRecord, decodePodIntent } from '../shared/record.ts';
import { action } from './actions.ts';
import { heartbeatTarget } from './begin.ts';
import type { State } from './state.ts';
import type { Wanted } from './wanted.ts';

/** Pods that carry an intent of our driver for an episode of this node. */
export function podsMarkedFor(state: State, nodeName: string): readonly PodView[] {
  const key = intentAnnotation(state.policy.driver);
  return [...state.markedPods.values()].filter(
    (pod) => decodePodIntent(pod.annotations[key])?.node === nodeName,
  );
}

/**
 * Takes intents off pods whose episode was released, or is gone. Also long after: a pod that was
 * marked while our watch of pods lagged shows its intent only when the record is gone already.
 */
export function unmarkStrayPods(
  state: State,
  records: ReadonlyMap<string, FenceRecord>,
  wanted: Wanted,
): void {
  for (const pod of state.markedPods.values()) {
    const intent = decodePodIntent(pod.annotations[intentAnnotation(state.policy.driver)]);
    if (intent === undefined) continue;
    const record = records.get(intent.node);
    if (record?.epoch === intent.epoch && record.phase !== 'Released') continue;
    const { namespace, name, uid } = pod;
    const heartbeat = heartbeatTarget(state, intent.node);
    const { node, epoch } = intent;
    const fields = { node, pod: { namespace, name, uid }, heartbeat, epoch };
    wanted.actions.push(action('UnmarkPod', `${epoch}/${uid}`, fields));
  }
}
