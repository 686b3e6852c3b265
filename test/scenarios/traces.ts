/** What we leave on a cluster and do to it, read off the API's objects and the journal of requests. */
import { isObject } from '../model/json.ts';
import {
  fenceAnnotation,
  holdFinalizer,
  intentAnnotation,
  outOfServiceTaint,
  outOfServiceValue,
} from '../../src/shared/names.ts';
import { decodeFenceRecord, decodePodIntent, type FenceRecord } from '../../src/shared/record.ts';
import type { RequestRecord } from '../double/api-server.ts';
import type { StoreEvent } from '../model/event-log.ts';
import type {
  Lease,
  Node,
  Objects,
  Pod,
  ResourceName,
  VolumeAttachment,
} from '../model/objects.ts';

/** All that happened to a cluster's objects, and all that was asked of its API server. */
export interface History {
  readonly driver: string;
  readonly changes: readonly StoreEvent[];
  readonly requests: readonly RequestRecord[];
}

/** The objects of a cluster, wherever they are. */
export interface Shelf {
  all<R extends ResourceName>(resource: R): readonly Objects[R][];
}

/** Everything of ours that stands on the cluster now, as words; empty once all is released. */
export function leftOvers(store: Shelf, driver: string): readonly string[] {
  return [
    ...store.all('nodes').flatMap((node) => taintsOf(node, driver)),
    ...store.all('leases').flatMap((lease) => {
      const record = recordOf(lease);
      return record === undefined ? [] : [`record ${record.phase} on ${lease.metadata.name}`];
    }),
    ...store.all('volumeattachments').flatMap((attachment) => {
      const { name, finalizers = [] } = attachment.metadata;
      return finalizers.includes(holdFinalizer) ? [`hold on ${name}`] : [];
    }),
    ...store.all('pods').flatMap((pod) => {
      const marked = pod.metadata.annotations?.[intentAnnotation(driver)] !== undefined;
      return marked ? [`intent on ${pod.metadata.name}`] : [];
    }),
  ];
}

/** Pods that were ended and attachments that were taken away, by whomever; empty: nothing moved. */
export function movesIn(changes: readonly StoreEvent[]): readonly string[] {
  return unique([
    ...of(changes, 'pods').flatMap(({ type, object }) => {
      const ended = type === 'DELETED' || isDeleting(object) || object.status?.phase === 'Failed';
      return ended ? [`pod ${object.metadata.name} was ended`] : [];
    }),
    ...of(changes, 'volumeattachments').flatMap(({ type, object }) =>
      type === 'DELETED' || isDeleting(object)
        ? [`${object.spec.source.persistentVolumeName} was taken from ${object.spec.nodeName}`]
        : [],
    ),
  ]);
}

/** Moves, and whatever we wrote on the way to one: taints, records, intents, holds. */
export function touchesIn(history: History): readonly string[] {
  return unique([...movesIn(history.changes), ...marksIn(history)]);
}

/** What nobody but we does to a cluster. */
export function marksIn({ changes, driver }: History): readonly string[] {
  return unique([
    ...of(changes, 'nodes').flatMap(({ object }) => taintsOf(object, driver)),
    ...of(changes, 'leases').flatMap(({ object }) => {
      const record = recordOf(object);
      return record === undefined ? [] : [`record ${record.phase} on ${object.metadata.name}`];
    }),
    ...of(changes, 'pods').flatMap(({ object }) =>
      intentOf(object, driver) === undefined ? [] : [`intent on ${object.metadata.name}`],
    ),
    ...of(changes, 'pods').flatMap(({ object }) =>
      object.status?.reason === 'VolumeFailover' ? [`eviction of ${object.metadata.name}`] : [],
    ),
    ...of(changes, 'volumeattachments').flatMap(({ object: { metadata, spec } }) =>
      metadata.finalizers?.includes(holdFinalizer) === true
        ? [`hold on ${spec.source.persistentVolumeName} of ${spec.nodeName}`]
        : [],
    ),
  ]);
}

export interface BegunEpisode {
  readonly lease: string;
  readonly record: FenceRecord;
  /** The store's version at which the record was first there. */
  readonly rv: number;
}

/** Every fence record that was begun, in order. */
export function episodesIn(changes: readonly StoreEvent[]): readonly BegunEpisode[] {
  return of(changes, 'leases').flatMap(({ object, old, rv }) => {
    const record = recordOf(object);
    if (record === undefined || record.epoch === recordOf(old)?.epoch) return [];
    return [{ lease: object.metadata.name, record, rv }];
  });
}

/** What no episode may ever do, whoever leads and dies in it. Empty: nothing of it was done. */
export function crimesIn(history: History): readonly string[] {
  const deletions = history.requests.filter(
    ({ method, identity, status }) =>
      method === 'DELETE' && identity.startsWith('controller') && (status ?? 0) < 300,
  );
  return [
    ...secondEpisodes(history.changes),
    ...deletions.flatMap((request) =>
      uidIn(request) === undefined ? [`DELETE ${request.path} without uid`] : [],
    ),
    ...strangersDeleted(history, deletions),
    ...attachmentsDeletedAnew(history.changes, deletions),
    ...endedUnfenced(history.changes),
  ];
}

function secondEpisodes(changes: readonly StoreEvent[]): readonly string[] {
  const epochs = episodesIn(changes).map(({ lease, record }) => `${lease} epoch ${record.epoch}`);
  return unique(epochs.filter((epoch, index) => epochs.indexOf(epoch) !== index)).map(
    (epoch) => `a second episode for ${epoch}`,
  );
}

/** Pods whose own intent does not name them. */
function strangersDeleted(
  { changes, driver }: History,
  deletions: readonly RequestRecord[],
): readonly string[] {
  const intended = new Set(
    of(changes, 'pods').flatMap(({ object }) => {
      const uid = intentOf(object, driver)?.uid;
      return uid === object.metadata.uid ? [uid] : [];
    }),
  );
  return deletions.flatMap((request) => {
    const isPod = /\/pods\/[^/]+$/.test(request.path);
    return isPod && !intended.has(uidIn(request) ?? '') ? [`${request.path} had no intent`] : [];
  });
}

/** VolumeAttachments that came into being after the episode in which they were deleted had begun. */
function attachmentsDeletedAnew(
  changes: readonly StoreEvent[],
  deletions: readonly RequestRecord[],
): readonly string[] {
  const episodes = episodesIn(changes);
  return of(changes, 'volumeattachments').flatMap(({ type, object, rv: bornAt }) => {
    const { uid, name } = object.metadata;
    if (type !== 'ADDED' || !deletions.some((request) => uidIn(request) === uid)) return [];
    const deletedAt =
      of(changes, 'volumeattachments').find(
        (change) => change.object.metadata.uid === uid && isDeleting(change.object),
      )?.rv ?? Number.POSITIVE_INFINITY;
    const begun = episodes.findLast(
      ({ rv, lease }) => rv < deletedAt && lease.endsWith(`.${object.spec.nodeName}`),
    );
    return begun !== undefined && begun.rv < bornAt
      ? [`${name} was deleted after it came anew`]
      : [];
  });
}

/** Pods that we ended before each of their volumes was fenced. */
function endedUnfenced(changes: readonly StoreEvent[]): readonly string[] {
  const attachments = of(changes, 'volumeattachments');
  const claims = new Map(
    of(changes, 'persistentvolumeclaims').map(({ object }) => [
      `${object.metadata.namespace}/${object.metadata.name}`,
      object.spec.volumeName ?? '',
    ]),
  );
  const ended = of(changes, 'pods').filter(
    ({ object, old }) =>
      object.status?.reason === 'VolumeFailover' && old?.status?.reason !== 'VolumeFailover',
  );
  return ended.flatMap(({ object: pod, rv }) => {
    const { namespace, name } = pod.metadata;
    const open = (pod.spec.volumes ?? []).find(({ persistentVolumeClaim: source }) => {
      if (source === undefined) return false;
      const pv = claims.get(`${namespace}/${source.claimName}`);
      return !attachments.some(
        (change) =>
          change.rv < rv &&
          change.object.spec.nodeName === pod.spec.nodeName &&
          change.object.spec.source.persistentVolumeName === pv &&
          isConfirmedHold(change.object),
      );
    });
    return open === undefined ? [] : [`${name} was ended before ${open.name} was fenced`];
  });
}

/** The fence is confirmed: being deleted, and our finalizer is the only one left. */
export function isConfirmedHold({ metadata }: VolumeAttachment): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.join() === holdFinalizer;
}

export function recordOf(lease: Lease | undefined): FenceRecord | undefined {
  return decodeFenceRecord(lease?.metadata.annotations?.[fenceAnnotation]);
}

export function of<R extends ResourceName>(
  changes: readonly StoreEvent[],
  resource: R,
): readonly (StoreEvent<R> & { readonly object: Objects[R] })[] {
  return changes.filter((change) => change.resource === resource) as never;
}

function intentOf(pod: Pod, driver: string): ReturnType<typeof decodePodIntent> {
  return decodePodIntent(pod.metadata.annotations?.[intentAnnotation(driver)]);
}

function taintsOf({ metadata, spec }: Node, driver: string): readonly string[] {
  return (spec?.taints ?? []).flatMap(({ key, value }) => {
    const ours =
      key.includes('csi-failover.io') ||
      (key === outOfServiceTaint && value === outOfServiceValue(driver));
    return ours ? [`taint ${key} on ${metadata.name}`] : [];
  });
}

function isDeleting(object: { readonly metadata: Pod['metadata'] }): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

function uidIn({ body }: RequestRecord): string | undefined {
  const preconditions = isObject(body) ? body['preconditions'] : undefined;
  const uid = isObject(preconditions) ? preconditions['uid'] : undefined;
  return typeof uid === 'string' && uid !== '' ? uid : undefined;
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
