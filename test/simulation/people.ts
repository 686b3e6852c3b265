/** What people and other controllers do to a cluster while we are at work on it. */
import {
  enabledLabel,
  fencedTaint,
  holdFinalizer,
  nodeIdAnnotation,
  outOfServiceTaint,
  policyAnnotation,
  switchConfigMap,
} from '../../src/shared/names.ts';
import { isDeleting } from '../model/conditions.ts';
import { csiVolumeOfPv } from '../model/csi-volumes.ts';
import type { NodeTaint, Pod, VolumeAttachment } from '../model/objects.ts';
import type { Prng } from './prng.ts';
import type { Fault } from './trouble.ts';
import type { World } from './world.ts';

const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const people: Readonly<Record<string, Fault>> = {
  paused: (world, prng) => {
    const metadata = { namespace: 'default', name: switchConfigMap };
    world.store.create('configmaps', { metadata, data: { paused: 'true' } });
    const ms = prng.between(2_000, 60_000);
    const back = (): void => void world.store.delete('configmaps', metadata);
    world.timeline.later(ms, back);
    world.undo.push(back);
    return `somebody pauses everything for ${s(ms)}`;
  },
  'foreign-taint': (world, prng) => {
    const taint = prng.pick<NodeTaint>([
      { key: 'example.com/repair', effect: 'NoSchedule' },
      { key: outOfServiceTaint, value: 'nodeshutdown', effect: 'NoSchedule' },
      { key: outOfServiceTaint, value: 'nodeshutdown', effect: 'NoExecute' },
    ]);
    const name = prng.pick(world.machines).name;
    addTaint(world, name, taint);
    const ms = prng.between(2_000, 60_000);
    const back = (): void => dropTaint(world, name, taint);
    world.timeline.later(ms, back);
    world.undo.push(back);
    return `somebody taints ${name} with ${taint.key}:${taint.effect} for ${s(ms)}`;
  },
  'our-taint-removed': (world, prng) => {
    const { name: driver } = prng.pick(world.instances).plan;
    const { name } = prng.pick(world.machines);
    dropTaint(world, name, { key: fencedTaint(driver), effect: 'NoSchedule' });
    return `somebody takes our taint off ${name}`;
  },
  'our-taint-set': (world, prng) => {
    const { name: driver } = prng.pick(world.instances).plan;
    const { name } = prng.pick(world.machines);
    addTaint(world, name, { key: fencedTaint(driver), effect: 'NoSchedule' });
    return `somebody sets our taint on ${name}`;
  },
  cordoned: (world, prng) => {
    const { name } = prng.pick(world.machines);
    world.store.patch('nodes', { name }, { spec: { unschedulable: true } });
    const ms = prng.between(5_000, 60_000);
    const back = (): void =>
      void world.store.patch('nodes', { name }, { spec: { unschedulable: null } });
    world.timeline.later(ms, back);
    world.undo.push(back);
    return `somebody cordons ${name} for ${s(ms)}`;
  },
  drained: (world, prng) => {
    const { name } = prng.pick(world.machines);
    world.store.patch('nodes', { name }, { spec: { unschedulable: true } });
    for (const { metadata } of podsOn(world, name)) world.store.delete('pods', metadata);
    const ms = prng.between(5_000, 60_000);
    const back = (): void =>
      void world.store.patch('nodes', { name }, { spec: { unschedulable: null } });
    world.timeline.later(ms, back);
    world.undo.push(back);
    return `somebody drains ${name} for ${s(ms)}`;
  },
  'pod-deleted': (world, prng) => {
    const pod = anyPod(world, prng);
    if (pod === undefined) return 'somebody finds no pod to delete';
    world.store.delete('pods', pod.metadata);
    return `somebody deletes ${pod.metadata.name}`;
  },
  'pod-killed': (world, prng) => {
    const pod = anyPod(world, prng);
    if (pod === undefined) return 'somebody finds no pod to delete by force';
    world.checkers.writers.excuse(pod.metadata.uid);
    world.store.delete('pods', pod.metadata, { gracePeriodSeconds: 0 });
    return `somebody deletes ${pod.metadata.name} by force`;
  },
  'pod-exits': (world, prng) => {
    const machine = prng.pick(world.machines);
    const [workload] = machine.machine.running;
    if (workload === undefined) return `nothing runs on ${machine.name} that could end`;
    machine.machine.exit(workload.podUid, prng.chance(0.5) ? 'failed' : 'succeeded');
    return `a container on ${machine.name} ends`;
  },
  relabelled: (world, prng) => {
    const pod = anyPod(world, prng);
    if (pod === undefined) return 'somebody finds no pod to label';
    const { name, namespace, labels } = pod.metadata;
    const value = labels?.[enabledLabel] === undefined ? 'true' : null;
    const change = { metadata: { labels: { [enabledLabel]: value } } };
    world.store.patch('pods', { name, namespace }, change);
    return `somebody ${value === null ? 'takes the label off' : 'labels'} ${name}`;
  },
  retained: (world, prng) => {
    const pod = anyPod(world, prng);
    if (pod === undefined) return 'somebody finds no pod to retain';
    const { name, namespace } = pod.metadata;
    const metadata = { annotations: { [policyAnnotation]: 'retain' } };
    world.store.patch('pods', { name, namespace }, { metadata });
    return `somebody forbids to move ${name}`;
  },
  'attachment-deleted': (world, prng) => {
    const attachments = world.store.all('volumeattachments');
    if (attachments.length === 0) return 'somebody finds no attachment to delete';
    const { metadata, spec } = prng.pick(attachments);
    endFormerId(world, metadata.annotations?.[nodeIdAnnotation], spec);
    world.store.delete('volumeattachments', metadata);
    return `somebody deletes the attachment of ${spec.source.persistentVolumeName}`;
  },
  'hold-stripped': (world, prng) => {
    const held = world.store
      .all('volumeattachments')
      .filter(({ metadata }) => metadata.finalizers?.includes(holdFinalizer) === true);
    if (held.length === 0) return 'somebody finds no finalizer of ours';
    const { metadata, spec } = prng.pick(held);
    // Whoever does that has taken the fence away, also from a deletion that is on its way.
    world.checkers.writers.excuse(metadata.uid);
    for (const { metadata: pod } of podsOn(world, spec.nodeName)) {
      world.checkers.writers.excuse(pod.uid);
    }
    const finalizers = metadata.finalizers?.filter((one) => one !== holdFinalizer) ?? [];
    world.store.patch('volumeattachments', metadata, { metadata: { finalizers } });
    return `somebody strips our finalizer off ${spec.source.persistentVolumeName}`;
  },
  'record-removed': (world, prng) => {
    const leases = world.store
      .all('leases')
      .filter(({ metadata }) => metadata.annotations?.['csi-failover.io/fence'] !== undefined);
    if (leases.length === 0) return 'somebody finds no record of ours';
    const { name, namespace } = prng.pick(leases).metadata;
    world.store.delete('leases', { name, namespace });
    return `somebody deletes the Lease ${name} with its record`;
  },
  'node-deleted': (world, prng) => {
    const machine = prng.pick(world.machines);
    if (prng.chance(0.6)) machine.powerOff(prng.between(20_000, 90_000));
    else {
      const ms = prng.between(20_000, 90_000);
      world.network.cut(machine.party, 'api', ms);
      world.network.cut('api', machine.party, ms);
    }
    world.store.delete('nodes', { name: machine.name });
    // A kubelet registers at its start only.
    world.undo.push(() => {
      if (world.store.find('nodes', machine.name) === undefined) machine.powerOff(1_000);
    });
    return `${machine.name} is lost, and its Node is deleted`;
  },
  'node-id-changed': (world, prng) => {
    const machine = prng.pick(world.machines);
    const { name: driver } = prng.pick(world.instances).plan;
    machine.changeNodeId(driver, `id-${machine.name}-${world.now}`);
    world.store.delete('csinodes', { name: machine.name });
    return `${machine.name} is known to ${driver} by another name`;
  },
  'api-key-copied': (world, prng) => {
    const pod = anyPod(world, prng);
    const marked = world.store
      .all('pods')
      .find(({ metadata }) => Object.keys(metadata.annotations ?? {}).some(isIntent));
    if (pod === undefined || marked === undefined) return 'somebody finds no intent to copy';
    const { name, namespace } = pod.metadata;
    const { annotations = {} } = marked.metadata;
    world.store.patch('pods', { name, namespace }, { metadata: { annotations } });
    return `somebody copies the annotations of ${marked.metadata.name} to ${name}`;
  },
};

/**
 * The attacher unpublishes the id that the node goes by now. Whoever deletes an attachment that was
 * made under another one makes sure that nothing is left of that, as the README asks of him.
 */
function endFormerId(
  world: World,
  id: string | undefined,
  { attacher, nodeName, source }: VolumeAttachment['spec'],
): void {
  const current = world.machine(nodeName)?.nodeId(attacher);
  const volume = csiVolumeOfPv(world.store, source.persistentVolumeName ?? '');
  if (id === undefined || volume === undefined || id === current) return;
  world.array(attacher).array.unpublish(volume.handle, id);
}

function isIntent(key: string): boolean {
  return key.startsWith('intent.');
}

function podsOn(world: World, node: string): readonly Pod[] {
  return world.store.all('pods').filter(({ spec }) => spec.nodeName === node);
}

function anyPod(world: World, prng: Prng): Pod | undefined {
  const pods = world.store.all('pods').filter((pod) => !isDeleting(pod));
  return pods.length === 0 ? undefined : prng.pick(pods);
}

function addTaint(world: World, name: string, taint: NodeTaint): void {
  const taints = world.store.find('nodes', name)?.spec?.taints ?? [];
  if (taints.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return;
  world.store.patch('nodes', { name }, { spec: { taints: [...taints, taint] } });
}

function dropTaint(world: World, name: string, { key, value = '', effect }: NodeTaint): void {
  const taints = world.store.find('nodes', name)?.spec?.taints;
  if (taints === undefined) return;
  const kept = taints.filter(
    (taint) => taint.key !== key || taint.effect !== effect || (taint.value ?? '') !== value,
  );
  if (kept.length !== taints.length) {
    world.store.patch('nodes', { name }, { spec: { taints: kept } });
  }
}
