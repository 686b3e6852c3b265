import type { FenceRecord } from './record.ts';

/** `reason` of a record that was made for holds or a taint of ours that stood without one. */
export const adopted = 'adopted';

/**
 * Whatever it lists, all volumes of the driver have to be off the node: what was taken away under
 * the record before an adopted one nobody knows.
 */
export function standsForAll({
  reason,
  volumes,
}: Pick<FenceRecord, 'reason' | 'volumes'>): boolean {
  return reason === adopted || volumes.length === 0;
}
