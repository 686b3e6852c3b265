/**
 * The Deployment controller, as far as one template at a time needs it: a ReplicaSet per template.
 * `Recreate` starts the new one when no pod of the old ones is left, `RollingUpdate` starts it at
 * once and ends the old ones when the new pods are ready (maxSurge = replicas).
 */
import { fnv1a } from '../../src/shared/names.ts';
import { isDeleting, isFinished } from './conditions.ts';
import type { Deployment, Pod, PodTemplate, ReplicaSet } from './objects.ts';
import { controllerOf, ownerReference, podsByOwner, reportReplicas } from './owned-pods.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export class DeploymentMemory {
  readonly gate = new Gate('deployments', 'replicasets', 'pods');
}

export function stepDeployment(context: StepContext, memory: DeploymentMemory): void {
  if (!memory.gate.open(context)) return;
  const { store } = context;
  const owned = podsByOwner(store);
  for (const deployment of store.all('deployments')) {
    if (!isDeleting(deployment)) sync(store, deployment, owned);
  }
}

function sync(
  store: Store,
  deployment: Deployment,
  owned: ReadonlyMap<string, readonly Pod[]>,
): void {
  const { name, uid } = deployment.metadata;
  const hash = hashOf(deployment.spec.template);
  const sets = store.all('replicasets').filter((set) => controllerOf(set)?.uid === uid);
  const current = sets.find((set) => set.metadata.name === `${name}-${hash}`);
  const outdated = sets.filter((set) => set !== current);
  const wanted = deployment.spec.replicas ?? 1;
  const recreate = deployment.spec.strategy?.type === 'Recreate';
  const leftOver = outdated.flatMap((set) => owned.get(set.metadata.uid) ?? []);
  if (recreate || ready(current) >= wanted) scaleToZero(store, outdated);
  if (recreate && leftOver.some((pod) => !isFinished(pod))) return;
  if (current === undefined) store.create('replicasets', newReplicaSet(deployment, hash));
  else if (current.spec.replicas !== wanted) scale(store, current, wanted);
  const status = { replicas: current?.status?.replicas ?? 0, readyReplicas: ready(current) };
  reportReplicas(store, 'deployments', deployment, status);
}

const hashes = new WeakMap<PodTemplate, string>();

function hashOf(template: PodTemplate): string {
  const known = hashes.get(template) ?? fnv1a(JSON.stringify(template));
  hashes.set(template, known);
  return known;
}

function ready(set: ReplicaSet | undefined): number {
  return set?.status?.readyReplicas ?? 0;
}

function scaleToZero(store: Store, sets: readonly ReplicaSet[]): void {
  for (const set of sets) if (set.spec.replicas !== 0) scale(store, set, 0);
}

function scale(store: Store, set: ReplicaSet, replicas: number): void {
  const { name, namespace } = set.metadata;
  store.patch('replicasets', { namespace, name }, { spec: { replicas } });
}

function newReplicaSet(deployment: Deployment, hash: string): Parameters<Store['create']>[1] {
  const { template, replicas = 1, selector } = deployment.spec;
  const labels = { ...template.metadata?.labels, 'pod-template-hash': hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      selector: { matchLabels: { ...selector.matchLabels, 'pod-template-hash': hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
