import { decodeFenceRecord } from '../../src/shared/record.ts';
import { fenceAnnotation } from '../../src/shared/names.ts';
import type { Change } from '../machine/foundation.ts';
import { pvName, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { Lease, Pod, VolumeAttachment } from '../model/objects.ts';

/** How long each part of a failover took, in ms; together they are the whole. */
export interface Phases {
  /** From the failure until we had made up our mind: the fence record stands. */
  readonly detect: number;
  /** Until the storage had taken the old node's access away and the old pod was gone. */
  readonly fence: number;
  /** Until the volume was attached to the node of the replacement. */
  readonly attach: number;
  /** Until the replacement's first write: that node's kubelet, which reports its volumes in use first. */
  readonly start: number;
  readonly total: number;
}

/** Reads them off what happened to the cluster's objects since the failure. */
export function phasesOf(
  changes: readonly Change[],
  plan: WorkloadPlan,
  moment: { readonly failedAt: number; readonly firstWriteAt: number },
): Phases {
  const { failedAt, firstWriteAt } = moment;
  const decided = changes.find(({ resource, object }) => {
    const text = (object as Lease).metadata.annotations?.[fenceAnnotation];
    return resource === 'leases' && text !== undefined && decodeFenceRecord(text) !== undefined;
  })?.at;
  const gone = changes.find(
    ({ type, resource, object }) =>
      type === 'DELETED' &&
      resource === 'pods' &&
      (object as Pod).metadata.labels?.['app'] === plan.name,
  )?.at;
  const attached = changes.findLast(({ type, resource, object, at: when }) => {
    const attachment = object as VolumeAttachment;
    return (
      resource === 'volumeattachments' &&
      type !== 'DELETED' &&
      when <= firstWriteAt &&
      attachment.metadata.deletionTimestamp === undefined &&
      attachment.spec.source.persistentVolumeName === pvName(plan) &&
      attachment.status?.attached === true
    );
  })?.at;
  if (decided === undefined || gone === undefined || attached === undefined) {
    throw new Error('not all phases of the failover were seen');
  }
  return {
    detect: decided - failedAt,
    fence: gone - decided,
    attach: attached - gone,
    start: firstWriteAt - attached,
    total: firstWriteAt - failedAt,
  };
}

export function shownPhases(phases: Phases): string {
  const words = Object.entries(phases).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  return words.join(', ');
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
