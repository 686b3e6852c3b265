/**
 * What the two modes write for each other on the heartbeat Lease, and what the controller writes
 * on pods: their shapes, and how they are read back without trusting them. JSON in annotations.
 */
import type { Json, JsonObject } from './effect.ts';
import { asObject, listIn, oneOf, parseObject, textIn } from './untrusted-json.ts';
import { fitsInUtf8 } from './utf8.ts';
import { type VolumeHealth, healthStatuses, maxHealthMessage } from './health.ts';

export interface FencedVolume {
  readonly handle: string;
  readonly pv: string;
}

/** The fence record: an episode has begun. Written by compare-and-swap, by the controller only. */
export interface FenceRecord {
  readonly v: 1;
  /** Unique among the episodes of this node; whoever acts or attests must quote it. */
  readonly epoch: string;
  /** `<node>.<epoch>`, for people and logs. */
  readonly episode: string;
  /** The verdict that began it. */
  readonly reason: string;
  /** Wall time, RFC 3339, for people only. */
  readonly since: string;
  /** The node's boot id when the episode began; empty if it was never reported. */
  readonly bootId: string;
  /**
   * Intent: begun, and withdrawn again if the node lives. Fenced: a hold was confirmed, from here
   * the episode is finished whatever the node does. Moved: no pod of it and no VolumeAttachment
   * is left on the node. Released: proven clean or withdrawn; the taint goes, then the record.
   */
  readonly phase: 'Intent' | 'Fenced' | 'Moved' | 'Released';
  /** Every volume taken from the node, as far as is known: see adopted.ts. */
  readonly volumes: readonly FencedVolume[];
  /**
   * Uids of the pods that the episode ends; from Moved on only those that the API does not have
   * any more, and a uid never comes back. What is mounted for them the agent may unmount.
   */
  readonly pods?: readonly string[];
}

/** The agent attests that nothing of the fenced volumes is left on its machine. */
export interface CleanAttestation {
  readonly epoch: string;
  readonly bootId: string;
}

export interface UnhealthyVolume extends VolumeHealth {
  readonly handle: string;
}

/** How many volumes of the driver an agent has looked at lately, by what it found. */
export interface VolumeCount {
  readonly good: number;
  readonly bad: number;
  readonly unknown: number;
}

/** What the driver on the node says of its way to the storage (CSI 1.13 NodeGetStorageHealth). */
export interface StorageReport {
  readonly status: 'ok' | 'degraded' | 'unreachable';
  readonly reason: string;
  readonly message: string;
}

/** What an agent says of its node, at most 8 KiB. Healthy volumes are not listed. */
export interface NodeReport {
  readonly v: 1;
  readonly bootId: string;
  readonly nodeId: string;
  readonly driver: 'ok' | 'silent' | 'refused' | 'stopping';
  readonly kubelet: 'ok' | 'dead';
  readonly unhealthy: readonly UnhealthyVolume[];
  /** Absent: nobody looks at volumes on this node. Counts those too that had no room above. */
  readonly volumes?: VolumeCount;
  /** Absent: the driver says nothing of it, or has not been understood. */
  readonly storage?: StorageReport;
  readonly clean?: CleanAttestation;
}

/** On a pod: it belongs to this episode and may be evicted once its volumes are fenced. */
export interface PodIntent {
  readonly epoch: string;
  readonly node: string;
  /** The pod's own uid, so that an annotation copied to another pod means nothing. */
  readonly uid: string;
  readonly volumes: readonly FencedVolume[];
  /**
   * All of these volumes are confirmed to be taken away. The instances beside the pod's other
   * drivers wait for it: only this one can ask this driver whether what it confirmed is so.
   */
  readonly fenced?: true;
}

export function encodeFenceRecord(record: FenceRecord): string {
  const { bootId, pods = [], ...rest } = record;
  return JSON.stringify({ ...rest, bootID: bootId, ...(pods.length === 0 ? {} : { pods }) });
}

/** Undefined for anything that is not a record of ours; never throws. */
export function decodeFenceRecord(text: string | undefined): FenceRecord | undefined {
  const json = parseObject(text);
  if (json?.v !== 1) return undefined;
  const phase = oneOf(json.phase, ['Intent', 'Fenced', 'Moved', 'Released'] as const);
  const epoch = textIn(json.epoch);
  if (phase === undefined || epoch === '') return undefined;
  return {
    v: 1,
    epoch,
    episode: textIn(json.episode),
    reason: textIn(json.reason),
    since: textIn(json.since),
    bootId: textIn(json.bootID),
    phase,
    volumes: volumes(json.volumes),
    ...podsOf(json),
  };
}

function podsOf(json: JsonObject): { pods?: readonly string[] } {
  const uids = listIn(json.pods)
    .map(textIn)
    .filter((uid) => uid !== '');
  return uids.length === 0 ? {} : { pods: uids };
}

const maxReportBytes = 8 * 1024;

/** How much of each message is kept, the first that fits: handles count more than what is said. */
const messageLengths = [maxHealthMessage, 60, 20, 0];

/** Cuts messages, and then leaves out as many unhealthy volumes as needed to stay within 8 KiB. */
export function encodeNodeReport(report: NodeReport): string {
  const { unhealthy } = report;
  if (unhealthy.length === 0) return reportText(report, unhealthy);
  const textOf = (count: number, length: number): string => {
    const cut = (message: string): string => message.slice(0, length).toWellFormed();
    const listed = unhealthy.slice(0, count).map((one) => ({ ...one, message: cut(one.message) }));
    return reportText(report, listed);
  };
  const fits = (text: string): boolean => fitsInUtf8(text, maxReportBytes);
  for (const length of messageLengths) {
    const whole = textOf(unhealthy.length, length);
    if (fits(whole)) return whole;
  }
  let count = unhealthy.length;
  while (count > 0 && !fits(textOf(count, 0))) count = Math.floor(count / 2);
  return textOf(count, 0);
}

type WrittenField = Exclude<keyof NodeReport, 'bootId' | 'nodeId'> | 'bootID' | 'nodeID';

/** Undefined is left out of the text. The type has it that no field is forgotten. */
function reportText(report: NodeReport, unhealthy: readonly UnhealthyVolume[]): string {
  const { v, driver, kubelet, volumes, storage, bootId, nodeId, clean } = report;
  const written: Readonly<Record<WrittenField, unknown>> = {
    v,
    driver,
    kubelet,
    volumes,
    storage,
    bootID: bootId,
    nodeID: nodeId,
    clean: clean && { epoch: clean.epoch, bootID: clean.bootId },
    unhealthy,
  };
  return JSON.stringify(written);
}

/** Undefined for anything that is not a report; unknown words read as the careful one. */
export function decodeNodeReport(text: string | undefined): NodeReport | undefined {
  const json = parseObject(text);
  if (json?.v !== 1) return undefined;
  const clean = asObject(json.clean);
  const epoch = textIn(clean?.epoch);
  return {
    v: 1,
    bootId: textIn(json.bootID),
    nodeId: textIn(json.nodeID),
    driver: oneOf(json.driver, ['ok', 'silent', 'refused', 'stopping'] as const) ?? 'silent',
    // Only the very word may count as proof of death.
    kubelet: json.kubelet === 'dead' ? 'dead' : 'ok',
    unhealthy: listIn(json.unhealthy).flatMap((entry) => {
      const volume = asObject(entry);
      const handle = textIn(volume?.handle);
      return handle === '' ? [] : [{ handle, ...health(volume) }];
    }),
    ...volumeCount(asObject(json.volumes)),
    ...storageReport(asObject(json.storage)),
    ...(epoch === '' ? {} : { clean: { epoch, bootId: textIn(clean?.bootID) } }),
  };
}

function health(json: JsonObject | undefined): VolumeHealth {
  return {
    status: oneOf(json?.status, healthStatuses) ?? 'Unknown',
    reason: textIn(json?.reason),
    message: textIn(json?.message),
  };
}

function volumeCount(json: JsonObject | undefined): { volumes?: VolumeCount } {
  if (json === undefined) return {};
  const count = (value: Json | undefined): number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  const { good, bad, unknown } = json;
  return { volumes: { good: count(good), bad: count(bad), unknown: count(unknown) } };
}

function storageReport(json: JsonObject | undefined): { storage?: StorageReport } {
  const status = oneOf(json?.status, ['ok', 'degraded', 'unreachable'] as const);
  if (status === undefined) return {};
  return { storage: { status, reason: textIn(json?.reason), message: textIn(json?.message) } };
}

export function encodePodIntent(intent: PodIntent): string {
  return JSON.stringify({ v: 1, ...intent });
}

export function decodePodIntent(text: string | undefined): PodIntent | undefined {
  const json = parseObject(text);
  if (json?.v !== 1) return undefined;
  const intent = {
    epoch: textIn(json.epoch),
    node: textIn(json.node),
    uid: textIn(json.uid),
    volumes: volumes(json.volumes),
    ...(json.fenced === true ? { fenced: true as const } : {}),
  };
  return intent.epoch === '' || intent.uid === '' ? undefined : intent;
}

/** `<node>/<bootID>`: who renews a heartbeat Lease, and in which life of the machine. */
export function heartbeatHolder(node: string, bootId: string): string {
  return `${node}/${bootId}`;
}

export function bootIdOfHolder(holder: string): string {
  const slash = holder.indexOf('/');
  return slash < 0 ? '' : holder.slice(slash + 1);
}

function volumes(json: Json | undefined): FencedVolume[] {
  return listIn(json).flatMap((entry) => {
    const volume = asObject(entry);
    const handle = textIn(volume?.handle);
    return handle === '' ? [] : [{ handle, pv: textIn(volume?.pv) }];
  });
}
