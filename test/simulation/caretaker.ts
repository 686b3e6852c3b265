/**
 * A person who comes when all else has come to rest, reads the Events, and does what the README
 * says of what is waited for. Nothing else is touched: who hears nothing does nothing.
 */
import type { Notice } from '../../src/shared/mode.ts';
import { enabledLabel, releaseAnnotation } from '../../src/shared/names.ts';
import { isDeleting } from '../model/conditions.ts';
import { type CsiVolume, csiVolumeOfPv, csiVolumesOf } from '../model/csi-volumes.ts';
import type { Pod } from '../model/objects.ts';
import { recordOf } from './fence-records.ts';
import type { Instance, World } from './world.ts';

/** Comes for the first time after so long, and then every other time as soon again. */
const patienceMs = 120_000;

export function engageCaretaker(world: World): void {
  const come = (): void => {
    world.timeline.later(patienceMs / 2, come);
    releaseAdopted(world);
    for (const instance of world.instances) {
      const leader = instance.replicas.find((replica) => replica.isLeading);
      for (const notice of leader?.notices ?? []) answer(world, instance, notice);
    }
  };
  world.timeline.later(patienceMs, come);
}

/** Nobody but a person can say that a node is clean for which no record lists the volumes. */
function releaseAdopted(world: World): void {
  for (const { name } of world.machines) {
    for (const { plan } of world.instances) {
      const record = recordOf(world, plan.name, name);
      if (record?.reason !== 'adopted') continue;
      world.trace(`** somebody releases ${name}`);
      const annotations = { [releaseAnnotation]: record.epoch };
      world.store.patch('nodes', { name }, { metadata: { annotations } });
      // The annotation names one epoch: one instance after the other.
      break;
    }
  }
}

function answer(world: World, { plan }: Instance, { reason, word, about }: Notice): void {
  const said = `${reason} ${word}`;
  if (said === 'NodeKeptFenced attached') endUsers(world, plan.name, about.name);
  const pod = world.store.find('pods', about.name, about.namespace);
  const byHand =
    said === 'FailoverWaiting node-id-changed' || said === 'FailoverWaiting foreign-volume';
  if (byHand && pod !== undefined) end(world, pod);
  if (said === 'FailoverWaiting detach-stalled') endUnlabelled(world, about);
  if (said !== 'FailoverWaiting fence-unconfirmed') return;
  if (about.kind === 'PersistentVolumeClaim') {
    const claim = world.store.find('persistentvolumeclaims', about.name, about.namespace);
    const volume = csiVolumeOfPv(world.store, claim?.spec.volumeName ?? '');
    if (volume !== undefined) endStrangers(world, plan.name, volume);
  } else if (pod !== undefined) {
    for (const one of csiVolumesOf(world.store, pod)) endStrangers(world, plan.name, one);
  }
}

/** Its label was taken off when its volume had been taken away: no pod of ours to move any more. */
function endUnlabelled(world: World, { name, namespace }: Notice['about']): void {
  const claim = world.store.find('persistentvolumeclaims', name, namespace);
  for (const pod of world.store.all('pods')) {
    const uses = csiVolumesOf(world.store, pod).some(({ pv }) => pv === claim?.spec.volumeName);
    if (uses && pod.metadata.labels?.[enabledLabel] !== 'true') end(world, pod);
  }
}

/** The array still lets in an id that no node goes by any more: whoever manages it ends that. */
function endStrangers(world: World, driver: string, volume: CsiVolume): void {
  if (volume.driver !== driver) return;
  const known = new Set(world.machines.map((machine) => machine.nodeId(driver)));
  const { array } = world.array(driver);
  for (const id of array.publishedNodes(volume.handle)) {
    if (known.has(id)) continue;
    world.trace(`** somebody ends the access of ${id} to ${volume.handle}`);
    array.unpublish(volume.handle, id);
  }
}

/** What came to the node before it was tainted again keeps it from being given back. */
function endUsers(world: World, driver: string, node: string): void {
  const fenced = new Set(recordOf(world, driver, node)?.volumes.map(({ pv }) => pv));
  for (const pod of world.store.all('pods')) {
    const uses = csiVolumesOf(world.store, pod).some(({ pv }) => fenced.has(pv));
    if (pod.spec.nodeName === node && uses) end(world, pod);
  }
}

function end(world: World, pod: Pod): void {
  if (isDeleting(pod)) return;
  world.trace(`** somebody deletes ${pod.metadata.name}`);
  world.store.delete('pods', pod.metadata);
}
