import { heartbeatLease, holdFinalizer } from '../../src/shared/names.ts';
import type { JournalEntry } from '../array/judge.ts';
import type { Change } from '../machine/bed.ts';
import type { StoreEvent } from '../model/event-log.ts';
import type { Node, Pod, VolumeAttachment } from '../model/objects.ts';
import { spansOf, type Workload } from './story.ts';

/** What the story is about. */
export interface Scene {
  readonly driver: string;
  /** The machine that dies. */
  readonly node: string;
  /** The namespace of the lane's workloads. */
  readonly namespace: string;
  readonly powerOffAt: number;
  readonly changes: readonly Change[];
  readonly journal: readonly JournalEntry[];
}

/** A pod as it stood when the machine died. */
export function podsThen(scene: Scene): readonly Pod[] {
  const pods = new Map<string, Pod>();
  for (const { at, type, object } of changesOf(scene, 'pods')) {
    if (at > scene.powerOffAt || object.metadata.namespace !== scene.namespace) continue;
    if (type === 'DELETED') pods.delete(object.metadata.uid);
    else pods.set(object.metadata.uid, object);
  }
  return [...pods.values()].filter((pod) => pod.spec.nodeName === scene.node);
}

/** Each slot of the lane, with the writes that the array took. */
export function workloadsOf(scene: Scene): readonly Workload[] {
  const entries = scene.journal.filter(
    (entry) => entry.accepted && entry.slot.startsWith(`${scene.namespace}/`),
  );
  const slots = [...new Set(entries.map((entry) => entry.slot))].sort();
  return slots.map((slot) => ({
    name: slot.slice(scene.namespace.length + 1),
    spans: spansOf(
      entries
        .filter((entry) => entry.slot === slot)
        .map(({ time, nodeId, podUid }) => ({
          atMs: time - scene.powerOffAt,
          machine: nodeId,
          pod: podUid,
        })),
      1_500,
    ),
  }));
}

/** How many of these pods still were as they had been, at that moment. */
export function podsStill(scene: Scene, uids: ReadonlySet<string>, at: number): number {
  const touched = changesOf(scene, 'pods').filter(
    (change) => change.at >= scene.powerOffAt && change.at <= at,
  );
  const gone = new Set(
    touched
      .filter(({ type, object }) => type === 'DELETED' || isDeleting(object))
      .map(({ object }) => object.metadata.uid),
  );
  return [...uids].filter((uid) => !gone.has(uid)).length;
}

export function pvsOf(scene: Scene, pods: readonly Pod[]): ReadonlySet<string> {
  const claims = new Set(
    pods.flatMap((pod) =>
      (pod.spec.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []),
    ),
  );
  const names = changesOf(scene, 'persistentvolumeclaims')
    .filter(
      ({ object }) =>
        object.metadata.namespace === scene.namespace && claims.has(object.metadata.name),
    )
    .map(({ object }) => object.spec.volumeName ?? '');
  return new Set(names.filter((name) => name !== ''));
}

export function of<R extends Change['resource']>(
  changes: readonly Change[],
  resource: R,
): readonly (Change & { object: StoreEvent<R>['object'] })[] {
  return changes.filter((change) => change.resource === resource) as never;
}

export function changesOf<R extends Change['resource']>(scene: Scene, resource: R) {
  return of(scene.changes, resource);
}

export function ofNode(scene: Scene, changes: readonly Change[]) {
  return of(changes, 'nodes').filter(({ object }) => object.metadata.name === scene.node);
}

export function heartbeats(scene: Scene, changes: readonly Change[]) {
  const name = heartbeatLease(scene.driver, scene.node);
  return of(changes, 'leases').filter(({ object }) => object.metadata.name === name);
}

export function hasTaint(node: Node | undefined, key: string): boolean {
  return node?.spec?.taints?.some((taint) => taint.key === key) === true;
}

export function isDeleting(object: { readonly metadata: Pod['metadata'] }): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/**
 * Pods that were ended (Failed, or gone) before each of their volumes was fenced, in the API
 * server's own order of changes. Names, for people; must be empty.
 */
export function endedUnfenced(scene: Scene): readonly string[] {
  const after = scene.changes.filter(({ at }) => at >= scene.powerOffAt);
  return podsThen(scene)
    .filter((pod) => {
      const ended = of(after, 'pods').find(
        ({ type, object }) =>
          object.metadata.uid === pod.metadata.uid &&
          (type === 'DELETED' || object.status?.phase === 'Failed'),
      );
      if (ended === undefined) return false;
      const fencedAt = [...pvsOf(scene, [pod])].map(
        (pv) =>
          of(after, 'volumeattachments').find(
            ({ object }) =>
              object.spec.source.persistentVolumeName === pv &&
              object.spec.nodeName === scene.node &&
              isFenced(object),
          )?.rv,
      );
      return fencedAt.length === 0 || fencedAt.some((rv) => rv === undefined || rv > ended.rv);
    })
    .map((pod) => pod.metadata.name);
}

/** A confirmed hold: being deleted, and our finalizer is the only one left. */
export function isFenced({ metadata }: VolumeAttachment): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.join() === holdFinalizer;
}
