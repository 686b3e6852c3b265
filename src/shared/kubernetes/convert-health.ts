/**
 * The health of volumes as Kubernetes itself keeps it from 1.37 on, where its gate CSIVolumeHealth
 * is on (alpha; k8s.io/api core/v1 VolumeHealthStatus and PodVolumeHealth, storage/v1
 * StorageHealth; KEP-1432). Written when it changes and never renewed: it does not say when anybody
 * looked last. A field that is not there says nothing, and one that cannot be read is `Unknown`.
 */
import type { Json, JsonObject } from '../effect.ts';
import { oneLine, type VolumeHealth, worstHealth } from '../health.ts';
import { listIn, objectIn, textIn } from '../untrusted-json.ts';

/** status.healthStatus of a claim: what an external health monitor heard from the storage. */
export function claimHealth(status: JsonObject): { readonly health?: VolumeHealth } {
  const { healthStatus } = status;
  if (healthStatus === undefined || healthStatus === null) return {};
  return { health: isObject(healthStatus) ? worstOf(healthStatus.healthConditions) : unreadable };
}

/** status.volumeHealth of a pod, by the name of the volume; only what the kubelet finds adverse. */
export function adverseVolumes(status: JsonObject): ReadonlyMap<string, VolumeHealth> {
  const adverse = new Map<string, VolumeHealth>();
  for (const entry of listIn(status.volumeHealth).map(objectIn)) {
    const health = worstOf(entry.healthConditions);
    const isWord = health.status !== 'Healthy' && health.status !== 'Unknown';
    if (isWord) adverse.set(textIn(entry.name), health);
  }
  return adverse;
}

/**
 * status.storageHealth of a CSINode: drivers whose storage the kubelet calls unreachable. One that
 * is so for some access modes or volume modes only may do for others.
 */
export function unreachableStorage(status: JsonObject): {
  readonly unreachable?: readonly string[];
} {
  const drivers = listIn(status.storageHealth)
    .map(objectIn)
    .flatMap((entry) => {
      const isGone = listIn(entry.healthConditions)
        .map(objectIn)
        .some(
          ({ status: word, accessMode, volumeMode }) =>
            word === 'StorageUnreachable' && isAbsent(accessMode) && isAbsent(volumeMode),
        );
      return isGone && textIn(entry.name) !== '' ? [textIn(entry.name)] : [];
    });
  return drivers.length === 0 ? {} : { unreachable: drivers };
}

const unreadable: VolumeHealth = { status: 'Unknown', reason: 'Unreadable', message: '' };

/** No condition means that nothing adverse is known; what is no list of them means nothing. */
function worstOf(conditions: Json | undefined): VolumeHealth {
  if (!isAbsent(conditions) && !Array.isArray(conditions)) return unreadable;
  return worstHealth(
    listIn(conditions)
      .map(objectIn)
      .map(({ status, reason, message }) => ({
        status: statusOf(status),
        reason: oneLine(textIn(reason)),
        message: oneLine(textIn(message)),
      })),
  );
}

/** Words that are not known yet must not be read as one that is. */
function statusOf(word: Json | undefined): VolumeHealth['status'] {
  return word === 'Inaccessible' || word === 'DataLoss' || word === 'Degraded' ? word : 'Unknown';
}

function isObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isAbsent(json: Json | undefined): json is null | undefined {
  return json === undefined || json === null;
}
