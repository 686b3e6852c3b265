/** The fence record of a node, as it stands on the cluster. */
import { fenceAnnotation, heartbeatLease } from '../../src/shared/names.ts';
import { decodeFenceRecord, type FenceRecord } from '../../src/shared/record.ts';
import type { AnyObject } from '../model/objects.ts';
import type { World } from './world.ts';

export function recordOf(world: World, driver: string, node: string): FenceRecord | undefined {
  return recordIn(world.store.find('leases', heartbeatLease(driver, node), 'default'));
}

export function recordIn(lease: AnyObject | undefined): FenceRecord | undefined {
  return decodeFenceRecord(lease?.metadata.annotations?.[fenceAnnotation]);
}

/** What was taken away before somebody took the record nobody knows. */
export function standsForAll({ volumes, reason }: FenceRecord): boolean {
  return volumes.length === 0 || reason === 'adopted';
}
