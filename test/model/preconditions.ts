import type { AnyObject, ResourceName } from './objects.ts';
import { type Failure, failure } from './verbs.ts';

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/**
 * Why a write of this object is refused. A foreign uid is a conflict where it is a precondition
 * (DELETE, binding, and the body of a PUT); in the body of a PATCH it would change what never
 * changes, which is 422 (apimachinery ValidateObjectMetaUpdate). A stale version comes first.
 */
export function refusalOf(
  resource: ResourceName,
  old: AnyObject,
  { uid = '', resourceVersion = '' }: Preconditions,
  verb: 'delete' | 'bind' | 'put' | 'patch',
): Failure | undefined {
  const { metadata } = old;
  const head = `Operation cannot be fulfilled on ${resource} "${metadata.name}"`;
  const foreign = uid !== '' && uid !== metadata.uid;
  if (foreign && verb !== 'patch') {
    const detail = `UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
    return failure(409, 'Conflict', `${head}: Precondition failed: ${detail}`);
  }
  if (resourceVersion !== '' && resourceVersion !== metadata.resourceVersion) {
    const detail =
      verb === 'put' || verb === 'patch'
        ? 'the object has been modified; please apply your changes to the latest version and try again'
        : `Precondition failed: ResourceVersion in precondition: ${resourceVersion}`;
    return failure(409, 'Conflict', `${head}: ${detail}`);
  }
  if (!foreign) return undefined;
  const what = `metadata.uid: Invalid value: "${uid}": field is immutable`;
  return failure(422, 'Invalid', `${resource} "${metadata.name}" is invalid: ${what}`);
}
