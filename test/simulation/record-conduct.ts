/**
 * What our requests may do to the fence record: S5 to S8, each in the moment in which it has changed
 * one, by the truth and not by any view.
 */
import { encodeFenceRecord, type FenceRecord } from '../../src/shared/record.ts';
import {
  fenceAnnotation,
  fencedTaint,
  holdFinalizer,
  releaseAnnotation,
} from '../../src/shared/names.ts';
import { isDeleting } from '../model/conditions.ts';
import type { AnyObject, Lease, Node, VolumeAttachment } from '../model/objects.ts';
import type { Deed } from './conduct.ts';
import { recordIn, standsForAll } from './fence-records.ts';
import type { World } from './world.ts';

/** What a watch may lag behind, and a request that was begun by then. */
const unseenMs = 15_000;

export function recordMisdeeds(world: World, deed: Deed): readonly string[] {
  const { action, before, after, replica } = deed;
  const { driver } = replica.options.policy;
  const found: string[] = [];
  const foreign = (lease: AnyObject | undefined): string => {
    const { metadata, spec } = (lease ?? {}) as Partial<Lease>;
    const annotations = { ...metadata?.annotations, [fenceAnnotation]: undefined };
    return JSON.stringify([spec?.holderIdentity, spec?.renewTime, annotations]);
  };
  if (before !== undefined && foreign(before) !== foreign(after)) {
    found.push(`S7 changed what the agent of ${action.node} has written`);
  }
  const was = recordIn(before);
  const is = recordIn(after);
  if (action.kind === 'UpdateRecord') found.push(...writtenOver(world, deed));
  const ends = is?.phase === 'Released' && was !== undefined && was.phase !== 'Released';
  if (ends && was.phase === 'Intent') found.push(...withdrawn(world, driver, action.node, was));
  if (ends && was.phase !== 'Intent') {
    // Its holds were stripped, and the node has all that it had: there is nothing to be clean of.
    const isGivenUp = is.reason === 'withdrawn' && !standsForAll(was);
    found.push(...released(world, { driver, node: action.node, isGivenUp }, was));
  }
  if (was !== undefined && is === undefined) {
    // Nobody can know of a taint that somebody sets between a read and the write that follows it.
    const wasTainted = deed.nodeRead === undefined || isTainted(deed.nodeRead, driver);
    const node = world.store.find('nodes', action.node);
    if (wasTainted && isTainted(node, driver))
      found.push(`S6 forgot the record of ${action.node}, which is still tainted`);
    if (was.phase !== 'Released') found.push(`S6 removed a record that was ${was.phase}`);
  }
  return found;
}

function isTainted(node: AnyObject | undefined, driver: string): boolean {
  const { taints = [] } = (node as Node | undefined)?.spec ?? {};
  return taints.some(({ key }) => key === fencedTaint(driver));
}

/** S5: the very record that was decided upon. S6: it is called moved when nothing of it is held. */
function writtenOver(world: World, { action, before, after, replica }: Deed): readonly string[] {
  const [was, is] = [recordIn(before), recordIn(after)];
  if (action.kind !== 'UpdateRecord' || was === undefined || is === undefined) return [];
  const { node, from } = action;
  const found: string[] = [];
  if (encodeFenceRecord(was) !== encodeFenceRecord(from)) {
    found.push(`S5 wrote over the record of ${node}, which was another one by then`);
  }
  const { driver } = replica.options.policy;
  const held = is.phase === 'Moved' ? holdOn(world, driver, node, is) : undefined;
  if (held !== undefined) {
    const pv = held.spec.source.persistentVolumeName;
    found.push(`S6 called the pods of ${node} moved, and ${pv} is still held there`);
  }
  return found;
}

/** The attachment of a volume of this record that we have taken away, or are about to. */
function holdOn(
  { store }: World,
  driver: string,
  node: string,
  { volumes }: FenceRecord,
): VolumeAttachment | undefined {
  return store
    .all('volumeattachments')
    .find(
      ({ metadata, spec }) =>
        spec.attacher === driver &&
        spec.nodeName === node &&
        metadata.finalizers?.includes(holdFinalizer) === true &&
        volumes.some(({ pv }) => pv === spec.source.persistentVolumeName),
    );
}

/** S6: an intent is taken back only while no volume has been taken away. */
function withdrawn(
  world: World,
  driver: string,
  node: string,
  record: FenceRecord,
): readonly string[] {
  const taken = holdOn(world, driver, node, record);
  if (taken === undefined || !isDeleting(taken)) return [];
  const pv = taken.spec.source.persistentVolumeName;
  return [`S6 withdrew the episode of ${node}, which has lost ${pv}`];
}

/** S8: nothing of the fenced volumes is left, neither a mount nor a writer. */
function released(
  world: World,
  { driver, node: nodeName, isGivenUp }: { driver: string; node: string; isGivenUp: boolean },
  record: FenceRecord,
): readonly string[] {
  const node = world.store.find('nodes', nodeName);
  const machine = world.machine(nodeName);
  if (node === undefined || machine === undefined || !machine.isOn) return [];
  if (node.metadata.annotations?.[releaseAnnotation] === record.epoch) return [];
  const rebooted = record.bootId !== '' && machine.machine.bootId !== record.bootId;
  const attested = world.checkers.leases.hasAttested(driver, nodeName, record.epoch);
  // Deleted, and made again so short ago that nobody may have been told: a Node that is gone is free.
  const isUnseen = world.checkers.ageOf(node.metadata.uid) < unseenMs;
  if (!rebooted && !isGivenUp && !isUnseen && !attested) {
    return [`S8 released ${nodeName}, whose agent has never said that it is clean`];
  }
  const fenced = new Set(record.volumes.map(({ handle }) => handle));
  const { published, staged } = machine.machine.machine;
  const uses = (uid: string): boolean =>
    world.store.all('pods').some(({ metadata, spec }) => {
      return metadata.uid === uid && spec.nodeName === nodeName;
    });
  const isFenced = (one: { driver: string; handle: string }): boolean =>
    one.driver === driver && (standsForAll(record) || fenced.has(one.handle));
  const left = published.find((one) => isFenced(one) && !uses(one.podUid));
  if (left !== undefined) return [`S8 released ${nodeName}, which has ${left.handle} mounted`];
  const kept = staged.find((one) => {
    const used = published.some(({ handle }) => handle === one.handle);
    return isFenced(one) && !used;
  });
  return kept === undefined ? [] : [`S8 released ${nodeName}, which has ${kept.handle} staged`];
}
