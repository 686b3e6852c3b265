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

const owned = new WeakMap<readonly Pod[], ReadonlyMap<string, readonly Pod[]>>();

/** The pods of each owner, by its uid; made once for all who ask before the next change. */
export function podsByOwner(store: Store): ReadonlyMap<string, readonly Pod[]> {
  const pods = store.all('pods');
  const known = owned.get(pods);
  if (known !== undefined) return known;
  const result = groupByOwner(pods);
  owned.set(pods, result);
  return result;
}

function groupByOwner(all: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> {
  const result = new Map<string, Pod[]>();
  for (const pod of all) {
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

/** How many pods there are, if that is not what the object says already. */
export function reportReplicas(
  store: Store,
  resource: 'deployments' | 'replicasets' | 'statefulsets',
  { metadata }: AnyObject,
  status: { readonly replicas: number; readonly readyReplicas: number },
): void {
  const { name, namespace } = metadata;
  const was = store.find(resource, name, namespace)?.status;
  const same = was?.replicas === status.replicas && was.readyReplicas === status.readyReplicas;
  if (!same) store.patch(resource, { namespace, name }, { status }, { subresource: 'status' });
}

export function countReady(pods: readonly Pod[]): number {
  return pods.filter((pod) =>
    pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
  ).length;
}
