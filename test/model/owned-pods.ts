/** What the workload controllers share: whose pod is it, and how one is made from a template. */
import type { JsonObject } from '../../src/shared/effect.ts';
import type { AnyObject, OwnerReference, Pod, PodTemplate } from './objects.ts';
import type { Store } from './store.ts';

export function controllerOf(object: AnyObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function ownerReference(owner: AnyObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The pods of each owner, by its uid. */
export function podsByOwner(store: Store): ReadonlyMap<string, readonly Pod[]> {
  const result = new Map<string, Pod[]>();
  for (const pod of store.all('pods')) {
    const uid = controllerOf(pod)?.uid;
    if (uid === undefined) continue;
    const pods = result.get(uid);
    if (pods === undefined) result.set(uid, [pod]);
    else pods.push(pod);
  }
  return result;
}

export function podFrom(
  owner: AnyObject,
  template: PodTemplate,
  extra: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> },
): JsonObject {
  const { name: ownerName, namespace } = owner.metadata;
  return {
    metadata: {
      ...(extra.name === undefined ? { generateName: `${ownerName}-` } : { name: extra.name }),
      namespace,
      labels: { ...template.metadata?.labels, ...extra.labels },
      annotations: template.metadata?.annotations,
      ownerReferences: [ownerReference(owner)],
    },
    spec: template.spec,
  };
}

export function countReady(pods: readonly Pod[]): number {
  return pods.filter((pod) =>
    pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
  ).length;
}
