/** What an update must not change, of what a wrong write of ours or of a test would change. */
import { equal } from './json.ts';
import type { AnyObject, CsiDriver, CsiNode, Pod, ResourceName } from './objects.ts';

/** Why the API server would answer 422, or undefined (ValidateUpdate of the kinds' strategies). */
export function immutableChange(
  resource: ResourceName,
  old: AnyObject,
  next: AnyObject,
): string | undefined {
  if (resource === 'pods') return podChange(old as Pod, next as Pod);
  if (resource === 'csinodes') return nodeIdChange(old as CsiNode, next as CsiNode);
  if (resource === 'volumeattachments') {
    return equal(specOf(old), specOf(next)) ? undefined : 'spec: field is immutable';
  }
  if (resource !== 'csidrivers') return undefined;
  const [before, after] = [old as CsiDriver, next as CsiDriver];
  const same = before.spec?.attachRequired === after.spec?.attachRequired;
  return same ? undefined : 'spec.attachedRequired: field is immutable';
}

function specOf(object: AnyObject): unknown {
  return (object as { readonly spec?: unknown }).spec;
}

/** Images, deadlines and more tolerations may change; containers are not told apart here. */
function podChange(old: Pod, next: Pod): string | undefined {
  const changed = ['nodeName', 'volumes', 'restartPolicy', 'nodeSelector', 'affinity'].find(
    (field) =>
      !equal(
        (old.spec as Readonly<Record<string, unknown>>)[field],
        (next.spec as Readonly<Record<string, unknown>>)[field],
      ),
  );
  return changed === undefined
    ? undefined
    : `spec: Forbidden: pod updates may not change ${changed}`;
}

/** A driver may go and come back with another node id, but not change it in place. */
function nodeIdChange(old: CsiNode, next: CsiNode): string | undefined {
  const before = new Map(old.spec.drivers.map((driver) => [driver.name, driver]));
  const changed = next.spec.drivers.find((driver) => {
    const known = before.get(driver.name);
    return known !== undefined && known.nodeID !== driver.nodeID;
  });
  return changed === undefined ? undefined : `spec.drivers: ${changed.name}: field is immutable`;
}
