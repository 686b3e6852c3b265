/**
 * The StatefulSet controller: at most one pod of a name, ever. It waits for a terminating pod to
 * vanish, and deletes and re-creates a finished one by itself. Claims made from templates are
 * expected to exist. Source: pkg/controller/statefulset/stateful_set_control.go processReplica.
 */
import { conditionStatus, isDeleting, isFinished } from './conditions.ts';
import type { Pod, StatefulSet, Volume } from './objects.ts';
import { controllerOf, countReady, podFrom, podsByOwner, reportReplicas } from './owned-pods.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export class StatefulSetMemory {
  readonly gate = new Gate('pods', 'statefulsets');
}

export function stepStatefulSet(context: StepContext, memory: StatefulSetMemory): void {
  if (!memory.gate.open(context)) return;
  const { store } = context;
  const owned = podsByOwner(store);
  for (const set of store.all('statefulsets')) {
    if (isDeleting(set)) continue;
    sync(store, set);
    scaleDown(store, set, owned.get(set.metadata.uid) ?? []);
    reportStatus(store, set, podsByOwner(store).get(set.metadata.uid) ?? []);
  }
}

function sync(store: Store, set: StatefulSet): void {
  const { namespace } = set.metadata;
  const ordered = set.spec.podManagementPolicy !== 'Parallel';
  for (let ordinal = 0; ordinal < (set.spec.replicas ?? 1); ordinal += 1) {
    const name = `${set.metadata.name}-${ordinal}`;
    let pod = store.find('pods', name, namespace);
    if (pod !== undefined && controllerOf(pod)?.uid !== set.metadata.uid) return;
    if (pod !== undefined && isFinished(pod)) {
      // Finished pods are removed at once, unless a finalizer keeps them: then it waits.
      if (!isDeleting(pod)) store.delete('pods', { namespace, name }, { uid: pod.metadata.uid });
      pod = store.find('pods', name, namespace);
    }
    if (pod === undefined) store.create('pods', newPod(set, name));
    const ready = pod !== undefined && !isDeleting(pod) && conditionStatus(pod, 'Ready') === 'True';
    if (ordered && !ready) return;
  }
}

function newPod(set: StatefulSet, name: string): ReturnType<typeof podFrom> {
  const { template, volumeClaimTemplates = [] } = set.spec;
  const claimed: Volume[] = volumeClaimTemplates.map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: `${metadata.name}-${name}` },
  }));
  const volumes = [...(template.spec.volumes ?? []), ...claimed];
  const labels = { 'statefulset.kubernetes.io/pod-name': name };
  return podFrom(set, { ...template, spec: { ...template.spec, volumes } }, { name, labels });
}

function scaleDown(store: Store, set: StatefulSet, pods: readonly Pod[]): void {
  const { namespace } = set.metadata;
  for (const pod of pods) {
    const { name, uid } = pod.metadata;
    const ordinal = Number(name.slice(name.lastIndexOf('-') + 1));
    if (ordinal < (set.spec.replicas ?? 1) || isDeleting(pod)) continue;
    store.delete('pods', { namespace, name }, { uid });
  }
}

function reportStatus(store: Store, set: StatefulSet, pods: readonly Pod[]): void {
  const status = { replicas: pods.length, readyReplicas: countReady(pods) };
  reportReplicas(store, 'statefulsets', set, status);
}
