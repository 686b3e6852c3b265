import type { Condition, Pod } from './objects.ts';

interface Conditioned {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export function conditionStatus(object: Conditioned, type: string): string | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type)?.status;
}

/** The conditions with one of them replaced or added. */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  next: Condition,
): readonly Condition[] {
  const rest = (conditions ?? []).filter((condition) => condition.type !== next.type);
  return [...rest, next];
}

/** Phase Failed or Succeeded: no container will ever run again. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
}

export function isDeleting(object: {
  readonly metadata: { readonly deletionTimestamp?: string };
}): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** pkg/volume/util IsPodTerminated: finished, or being deleted with no container running. */
export function isPodTerminated(pod: Pod): boolean {
  if (isFinished(pod)) return true;
  if (!isDeleting(pod)) return false;
  return (pod.status?.containerStatuses ?? []).every(
    ({ state }) => state?.terminated !== undefined || state?.waiting !== undefined,
  );
}
