import { heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import type { Change } from './foundation.ts';

/**
 * Whether a controller leads and has seen every agent renew. A Lease that it knows from its first
 * look alone says nothing of when its agent lived, and then only Kubernetes' own slower judgement
 * makes a silent node Lost. The first renewal may have been part of that first look.
 */
export function isWatched(
  changes: readonly Change[],
  { driverName, namespace }: { readonly driverName: string; readonly namespace: string },
  machines: readonly string[],
): boolean {
  const leases = changes.flatMap((change) =>
    change.resource === 'leases' && change.object.metadata.namespace === namespace
      ? [change.object.metadata.name]
      : [],
  );
  const led = leases.indexOf(leaderLease(driverName));
  if (led < 0) return false;
  const since = leases.slice(led);
  return machines.every((machine) => {
    const own = heartbeatLease(driverName, machine);
    return since.filter((name) => name === own).length >= 2;
  });
}
