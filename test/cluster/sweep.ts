/** Takes what a bed left on a shared cluster off it, so that the next bed meets nothing of it. */
import type { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Site } from '../machine/foundation.ts';
import type { AnyObject, ResourceName } from '../model/objects.ts';
import type { ObjectWatch } from './object-watch.ts';

/** Nothing acts for the bed any more: no machine, no attacher, none of ours. */
export async function sweep(
  api: ApiClient,
  watch: ObjectWatch,
  { driverName, namespace, machines }: Site,
): Promise<void> {
  const nodes = new Set(machines);
  const pvs = watch.all('persistentvolumes').filter(({ spec }) => spec.csi?.driver === driverName);
  const claims = new Set(
    pvs.map(({ spec }) => `${spec.claimRef?.namespace}/${spec.claimRef?.name}`),
  );
  const isOurPod = (object: AnyObject): boolean => {
    const { nodeName = '', volumes = [] } = (object as { spec?: PodLike }).spec ?? {};
    const { namespace: home } = object.metadata;
    const claim = volumes.map((volume) => `${home}/${volume.persistentVolumeClaim?.claimName}`);
    return nodes.has(nodeName) || claim.some((one) => claims.has(one));
  };
  const homes = new Set([...claims].map((claim) => claim.split('/')[0]));
  const mine: Readonly<Partial<Record<ResourceName, (object: AnyObject) => boolean>>> = {
    statefulsets: ({ metadata }) => homes.has(metadata.namespace),
    deployments: ({ metadata }) => homes.has(metadata.namespace),
    replicasets: ({ metadata }) => homes.has(metadata.namespace),
    daemonsets: ({ metadata }) => homes.has(metadata.namespace),
    pods: isOurPod,
    volumeattachments: (object) =>
      (object as { spec?: { attacher?: string } }).spec?.attacher === driverName,
    persistentvolumeclaims: ({ metadata }) => claims.has(`${metadata.namespace}/${metadata.name}`),
    persistentvolumes: (object) => pvs.some(({ metadata }) => metadata.uid === object.metadata.uid),
    nodes: ({ metadata }) => nodes.has(metadata.name),
    csinodes: ({ metadata }) => nodes.has(metadata.name),
    leases: ({ metadata }) =>
      metadata.namespace === namespace
        ? metadata.name.includes(driverName)
        : metadata.namespace === 'kube-node-lease' && nodes.has(metadata.name),
    csidrivers: ({ metadata }) => metadata.name === driverName,
  };
  const left = (): readonly (readonly [ResourceName, AnyObject])[] =>
    Object.entries(mine).flatMap(([resource, isMine]) =>
      watch
        .all(resource as ResourceName)
        .filter(isMine)
        .map((object) => [resource as ResourceName, object] as const),
    );
  const patienceMs = 30_000 + left().length * 100;
  await eventually(
    async () => {
      // In this order and not all at once: who creates objects goes before what he creates, and
      // requests that wait for a free socket run into their deadline.
      const objects = left();
      await Promise.all(
        objects.slice(0, 100).map(([resource, object]) => remove(api, resource, object)),
      );
      if (objects.length > 0) {
        const some = objects.slice(0, 20).map(nameOf).join(', ');
        throw new Error(`${objects.length} left: ${some}`);
      }
      return true;
    },
    { what: 'the bed to be gone from the cluster', withinMs: patienceMs, everyMs: 300 },
  );
}

interface PodLike {
  readonly nodeName?: string;
  readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
}

function nameOf([resource, { metadata }]: readonly [ResourceName, AnyObject]): string {
  return `${resource}/${metadata.name}`;
}

async function remove(api: ApiClient, resource: ResourceName, object: AnyObject): Promise<void> {
  const { namespace, name, uid, finalizers = [] } = object.metadata;
  const place = { namespace, name };
  await api.delete(resource, place, { uid, gracePeriodSeconds: 0 });
  if (finalizers.length > 0) {
    await api.patch(resource, place, { metadata: { uid, finalizers: null } });
  }
}
