/**
 * The scheduler: binds pods that have no node. Like the real one it judges a node by its taints,
 * not by its Ready condition; among those that fit, fewest pods first, then the name.
 */
import { isDeleting, isFinished } from './conditions.ts';
import { type CsiVolume, csiVolumesOf } from './csi-volumes.ts';
import { fitsLabels, fitsSelector, toleratesAll } from './node-fit.ts';
import type { Node, Pod } from './objects.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export class SchedulerMemory {
  readonly gate = new Gate(
    'pods',
    'nodes',
    'persistentvolumes',
    'persistentvolumeclaims',
    'csinodes',
  );
}

export function stepScheduler(context: StepContext, memory: SchedulerMemory): void {
  if (!memory.gate.open(context)) return;
  const { store } = context;
  for (const pod of store.all('pods')) {
    if ((pod.spec.nodeName ?? '') !== '' || isDeleting(pod) || isFinished(pod)) continue;
    const node = placeFor(store, pod);
    const { name, namespace, uid } = pod.metadata;
    if (node !== undefined) store.bind({ namespace, name }, node, uid);
  }
}

function placeFor(store: Store, pod: Pod): string | undefined {
  const volumes = csiVolumesOf(store, pod);
  const claims = (pod.spec.volumes ?? []).filter((one) => one.persistentVolumeClaim !== undefined);
  if (volumes.length < claims.length) return undefined;
  if (volumes.some((volume) => volume.onePod && usedByAnother(store, pod, volume)))
    return undefined;
  const counts = podsPerNode(store);
  const names = store
    .all('nodes')
    .filter((node) => fitsPod(node, pod) && fitsVolumes(store, node, volumes))
    .map((node) => node.metadata.name);
  names.sort((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0) || (a < b ? -1 : 1));
  return names[0];
}

function fitsPod(node: Node, pod: Pod): boolean {
  const { tolerations = [], nodeSelector, affinity } = pod.spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect !== 'PreferNoSchedule');
  const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
  return (
    toleratesAll(tolerations, node.spec?.unschedulable === true ? [...taints, cordon] : taints) &&
    fitsLabels(node, nodeSelector) &&
    fitsSelector(node, required)
  );
}

function fitsVolumes(store: Store, node: Node, volumes: readonly CsiVolume[]): boolean {
  const drivers = store.find('csinodes', node.metadata.name)?.spec.drivers ?? [];
  return volumes.every((volume) => {
    const affinity = store.find('persistentvolumes', volume.pv)?.spec.nodeAffinity?.required;
    return fitsSelector(node, affinity) && drivers.some(({ name }) => name === volume.driver);
  });
}

/** ReadWriteOncePod (plugin volumerestrictions): any other unfinished pod on a node is in the way. */
function usedByAnother(store: Store, pod: Pod, volume: CsiVolume): boolean {
  for (const other of store.all('pods')) {
    if (other.metadata.uid === pod.metadata.uid || isFinished(other)) continue;
    if ((other.spec.nodeName ?? '') === '') continue;
    if (other.metadata.namespace !== pod.metadata.namespace) continue;
    const claims = (other.spec.volumes ?? []).map((one) => one.persistentVolumeClaim?.claimName);
    if (claims.includes(volume.claim)) return true;
  }
  return false;
}

function podsPerNode(store: Store): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const pod of store.all('pods')) {
    const node = pod.spec.nodeName ?? '';
    if (node !== '' && !isFinished(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}
