/** Deletes what lost all of its owners (pkg/controller/garbagecollector), in the background. */
import type { AnyObject, ResourceName } from './objects.ts';
import { Gate, type StepContext } from './step.ts';

/** The kinds whose objects have owners in this model. */
const dependents: readonly ResourceName[] = ['pods', 'replicasets', 'leases', 'csinodes'];
const owners: readonly ResourceName[] = ['nodes', 'statefulsets', 'deployments', 'replicasets'];

export class GarbageCollectorMemory {
  /** Leases change with every heartbeat: only a change among owners makes it look. */
  readonly gate = new Gate(...owners, 'pods');
}

export function stepGarbageCollector(context: StepContext, memory: GarbageCollectorMemory): void {
  if (!memory.gate.open(context)) return;
  const { store } = context;
  for (const resource of dependents) {
    for (const object of store.all(resource) as readonly AnyObject[]) {
      const { ownerReferences = [], deletionTimestamp, name, namespace, uid } = object.metadata;
      if (ownerReferences.length === 0 || deletionTimestamp !== undefined) continue;
      if (ownerReferences.some((owner) => store.hasUid(owner.uid))) continue;
      store.delete(resource, { namespace, name }, { uid });
    }
  }
}
