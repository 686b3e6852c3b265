/**
 * The ReplicaSet controller: a pod that is being deleted or has failed is inactive and replaced at
 * once; a Failed pod stays as it is. Source: pkg/controller/controller_utils.go IsPodActive.
 */
import { isDeleting, isFinished } from './conditions.ts';
import type { Pod, ReplicaSet } from './objects.ts';
import { countReady, podFrom, podsByOwner, reportReplicas } from './owned-pods.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export class ReplicaSetMemory {
  readonly gate = new Gate('pods', 'replicasets');
}

export function stepReplicaSet(context: StepContext, memory: ReplicaSetMemory): void {
  if (!memory.gate.open(context)) return;
  const { store } = context;
  const owned = podsByOwner(store);
  for (const set of store.all('replicasets')) {
    if (isDeleting(set)) continue;
    sync(store, set, owned.get(set.metadata.uid) ?? []);
  }
}

export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !isDeleting(pod);
}

function sync(store: Store, set: ReplicaSet, pods: readonly Pod[]): void {
  const { namespace } = set.metadata;
  const active = pods.filter((pod) => isActive(pod));
  const wanted = set.spec.replicas ?? 1;
  for (let count = active.length; count < wanted; count += 1) {
    store.create('pods', podFrom(set, set.spec.template, {}));
  }
  // The least useful go first: those without a node, then those not ready.
  const surplus = active.slice().sort((a, b) => usefulness(a) - usefulness(b));
  for (const pod of surplus.slice(0, Math.max(0, active.length - wanted))) {
    store.delete('pods', { namespace, name: pod.metadata.name }, { uid: pod.metadata.uid });
  }
  const status = { replicas: active.length, readyReplicas: countReady(active) };
  reportReplicas(store, 'replicasets', set, status);
}

function usefulness(pod: Pod): number {
  return ((pod.spec.nodeName ?? '') === '' ? 0 : 1) + countReady([pod]);
}
