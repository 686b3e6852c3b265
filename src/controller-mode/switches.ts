import type { PodView } from '../shared/model.ts';
import { switchConfigMap } from '../shared/names.ts';
import { type Hold, hold } from './hold.ts';
import type { State } from './state.ts';

/** Whether the ConfigMap, the node or the pod's namespace carries this switch; a person's word. */
export function switched(
  state: State,
  pod: PodView,
  word: string,
  annotation: string,
): Hold | undefined {
  if (switchValue(state, word)) return hold(word, `ConfigMap ${switchConfigMap} says ${word}`);
  if (state.nodes.get(pod.nodeName)?.annotations[annotation] === 'true') {
    return hold(word, `the node is annotated ${annotation}=true`);
  }
  return state.namespaces.get(pod.namespace)?.values[annotation] === 'true'
    ? hold(word, `namespace ${pod.namespace} is annotated ${annotation}=true`)
    : undefined;
}

/** One key of the ConfigMap; anything but `true` is off. */
export function switchValue(state: State, key: string): boolean {
  const map = state.configmaps.get(`${state.policy.namespace}/${switchConfigMap}`);
  return map?.values[key] === 'true';
}
