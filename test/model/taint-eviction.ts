/**
 * The taint-eviction controller: deletes pods that do not (or no longer) tolerate a NoExecute taint
 * of their node: a plain, graceful DELETE. Source: pkg/controller/tainteviction/taint_eviction.go.
 */
import { isDeleting, withCondition } from './conditions.ts';
import { tolerates } from './node-fit.ts';
import type { NodeTaint, Pod } from './objects.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export class TaintEvictionMemory {
  readonly gate = new Gate('nodes', 'pods');
  /** By pod uid: since when its toleration runs. */
  readonly tolerating = new Map<string, number>();
}

export function stepTaintEviction(context: StepContext, memory: TaintEvictionMemory): void {
  if (!memory.gate.open(context)) return;
  const { store, now } = context;
  const taints = noExecuteTaints(store);
  if (taints.size === 0) {
    memory.tolerating.clear();
    return;
  }
  for (const pod of store.all('pods')) {
    const { uid } = pod.metadata;
    const seconds = toleratedSeconds(pod, taints.get(pod.spec.nodeName ?? '') ?? []);
    if (seconds === Number.POSITIVE_INFINITY || isDeleting(pod)) {
      memory.tolerating.delete(uid);
      continue;
    }
    const since = memory.tolerating.get(uid) ?? now;
    memory.tolerating.set(uid, since);
    const dueAt = since + seconds * 1000;
    if (now >= dueAt) evict(store, pod);
    else memory.gate.wakeAt(dueAt);
  }
}

function noExecuteTaints(store: Store): ReadonlyMap<string, readonly NodeTaint[]> {
  const result = new Map<string, readonly NodeTaint[]>();
  for (const node of store.all('nodes')) {
    const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
    if (taints.length > 0) result.set(node.metadata.name, taints);
  }
  return result;
}

/** The shortest tolerationSeconds that applies; 0 if a taint is not tolerated at all. */
function toleratedSeconds(pod: Pod, taints: readonly NodeTaint[]): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const applying = (pod.spec.tolerations ?? []).filter((one) => tolerates(one, taint));
    if (applying.length === 0) return 0;
    for (const { tolerationSeconds } of applying) {
      if (tolerationSeconds !== undefined) shortest = Math.min(shortest, tolerationSeconds);
    }
  }
  return Math.max(0, shortest);
}

function evict(store: Store, pod: Pod): void {
  const { name, namespace } = pod.metadata;
  const conditions = withCondition(pod.status?.conditions, {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: store.timestamp(),
  });
  store.patch('pods', { namespace, name }, { status: { conditions } }, { subresource: 'status' });
  store.delete('pods', { namespace, name });
}
