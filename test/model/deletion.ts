import type { AnyObject, Pod, ResourceName } from './objects.ts';
import { podGraceSeconds } from './stored-object.ts';
import type { DeleteOptions } from './verbs.ts';

/** What a DELETE does to the object itself: it goes, it stays as it is, or it is to go. */
export type Deletion =
  | { readonly kind: 'remove' }
  | { readonly kind: 'keep' }
  | { readonly kind: 'mark'; readonly graceSeconds: number };

/**
 * Pods that are bound and unfinished are deleted gracefully; finalizers keep every object. What is
 * being deleted already can only be made to go sooner, and only by saying so: a DELETE without a
 * grace changes nothing (rest/delete.go BeforeDelete).
 */
export function deletionOf(
  resource: ResourceName,
  { metadata, ...rest }: AnyObject,
  { gracePeriodSeconds }: DeleteOptions,
): Deletion {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = metadata;
  const free = finalizers.length === 0;
  if (deletionTimestamp !== undefined) {
    const seconds = gracePeriodSeconds ?? deletionGracePeriodSeconds;
    if (seconds >= deletionGracePeriodSeconds) return { kind: 'keep' };
    return seconds === 0 && free ? { kind: 'remove' } : { kind: 'mark', graceSeconds: seconds };
  }
  const pod = { metadata, ...rest } as Pod;
  const graceSeconds = resource === 'pods' ? podGraceSeconds(pod, gracePeriodSeconds) : 0;
  return graceSeconds === 0 && free ? { kind: 'remove' } : { kind: 'mark', graceSeconds };
}
