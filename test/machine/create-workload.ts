import type { ArrayAdmin } from '../array/admin-client.ts';
import type { JsonObject } from '../../src/shared/effect.ts';
import type { ApiClient } from './api-client.ts';
import {
  claimName,
  claimObject,
  otherVolumes,
  pvObject,
  volumeHandle,
  workloadObject,
  type WorkloadPlan,
} from './workload-objects.ts';

export const collections = {
  StatefulSet: 'statefulsets',
  Deployment: 'deployments',
  DaemonSet: 'daemonsets',
  Pod: 'pods',
} as const;

/** Creates volumes, claims and the workload in a namespace that is there; waits for nothing. */
export async function createWorkload(
  { api, array }: { readonly api: ApiClient; readonly array: ArrayAdmin },
  plan: WorkloadPlan,
  workload: JsonObject = workloadObject(plan),
): Promise<void> {
  const own = plan.shares === undefined && plan.volumeless !== true ? [plan] : [];
  const volumes = [...own, ...otherVolumes(plan)];
  for (const volume of volumes) {
    await array.create(volumeHandle(volume));
    const claim = must(await api.create('persistentvolumeclaims', claimObject(volume)));
    must(await api.create('persistentvolumes', pvObject(volume, claim.metadata.uid)));
  }
  must(await api.create(collections[plan.kind], workload));
  // A real volume controller that met a claim before its volume looks again when the claim
  // changes, or else at its resync every 15 s.
  for (const volume of volumes) {
    const claim = { namespace: volume.namespace, name: claimName(volume) };
    const touch = { metadata: { labels: { app: plan.name } } };
    must(await api.patch('persistentvolumeclaims', claim, touch));
  }
}

export function must<T>(answer: { readonly object: T | undefined; readonly message: string }): T {
  if (answer.object === undefined) throw new Error(`the API refused: ${answer.message}`);
  return answer.object;
}
