import { enabledLabel } from '../../src/shared/names.ts';
import { driverName } from '../machine/bed.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';

/** Who plays: the same three workloads twice, in two namespaces, and only one cast is labelled. */
export const namespaces = { labelled: 'shop', unlabelled: 'shop-plain' } as const;

export const workers = ['worker-a', 'worker-b', 'worker-c'] as const;
/** The one that will lose its power. */
export const doomed = 'worker-a';

export const labelled: readonly WorkloadPlan[] = castOf(namespaces.labelled, {
  [enabledLabel]: 'true',
});
export const unlabelled: readonly WorkloadPlan[] = castOf(namespaces.unlabelled, {});

function castOf(
  namespace: string,
  labels: Readonly<Record<string, string>>,
): readonly WorkloadPlan[] {
  const common = { namespace, labels, driverName };
  return [
    { ...common, kind: 'StatefulSet', name: 'web' },
    { ...common, kind: 'Deployment', name: 'wordpress' },
    { ...common, kind: 'Deployment', name: 'mysql' },
  ];
}
