import { base, type Manifest, objectsOf, type Rule } from './manifest.ts';
import { driverNamespace } from './actions.ts';
import type { Access } from './requests.ts';

export const objects = objectsOf(base);

/** One verb on one resource, as one role allows it. */
export interface Grant {
  readonly role: string;
  readonly subject: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  /** Where it holds; '*' everywhere, '' for cluster-scoped and all namespaces. */
  readonly namespace: string;
  readonly names: readonly string[] | undefined;
}

/** Every grant of the base, bound. A Role without a namespace stands in that of the driver. */
export function grants(): readonly Grant[] {
  return objects.filter(isBinding).flatMap((binding) => {
    const role = roleOf(binding);
    const clusterWide = binding.kind === 'ClusterRoleBinding';
    const namespace = clusterWide ? '*' : (binding.metadata.namespace ?? driverNamespace);
    return (binding.subjects ?? []).flatMap((subject) =>
      (role.rules ?? []).flatMap((rule) =>
        single(rule).map((one) => ({
          ...one,
          role: role.metadata.name,
          subject: subject.name,
          namespace,
          names: rule.resourceNames,
        })),
      ),
    );
  });
}

/** As the RBAC authorizer does it; nothing here uses wildcards, which a test forbids. */
export function allows(grant: Grant, access: Access): boolean {
  return (
    grant.verb === access.verb &&
    grant.group === access.group &&
    grant.resource === access.resource &&
    (grant.namespace === '*' || grant.namespace === access.namespace) &&
    (grant.names === undefined || grant.names.includes(access.name))
  );
}

/** In words, for whoever reads that a test failed. */
export function textOf({ verb, group, resource, namespace, names }: Grant): string {
  const named = names === undefined ? '' : ` ${names.join(', ')}`;
  return `${verb} ${group}/${resource}${named} in ${namespace}`;
}

export function isBinding({ kind }: Manifest): boolean {
  return kind === 'RoleBinding' || kind === 'ClusterRoleBinding';
}

export function roleOf(binding: Manifest): Manifest {
  const { kind, name } = binding.roleRef ?? { kind: '', name: '' };
  const role = objects.find(
    (object) =>
      object.kind === kind &&
      object.metadata.name === name &&
      (kind === 'ClusterRole' || object.metadata.namespace === binding.metadata.namespace),
  );
  if (role === undefined) throw new Error(`${binding.metadata.name} binds nothing`);
  return role;
}

function single({ apiGroups, resources, verbs }: Rule) {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb }))),
  );
}
