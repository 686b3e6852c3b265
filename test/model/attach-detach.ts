/**
 * The attach/detach controller: the only one that creates and deletes VolumeAttachments.
 * Source: pkg/controller/volume/attachdetach (reconciler, caches, statusupdater) and
 * pkg/volume/csi/csi_attacher.go at 1.36; the order of the passes is theirs.
 */
import { outOfServiceTaint } from '../../src/shared/names.ts';
import { attachmentName } from './attachment-name.ts';
import { conditionStatus, isDeleting, isPodTerminated } from './conditions.ts';
import { type CsiVolume, csiVolumeOfPv, csiVolumesOf } from './csi-volumes.ts';
import { recordEvent } from './event-recorder.ts';
import type { Node, Pod, VolumeAttachment } from './objects.ts';
import { Gate, type StepContext } from './step.ts';

export interface AttachDetachSettings {
  readonly loopMs: number;
  /** ReconcilerMaxWaitForUnmountDuration: hard-coded upstream. */
  readonly maxWaitForUnmountMs: number;
  /** `--attach-detach-reconcile-sync-period`. */
  readonly verifySyncMs: number;
  readonly disableForceDetachOnTimeout: boolean;
  /** How long one attach or detach waits for the attacher (csiTimeout). */
  readonly operationTimeoutMs: number;
}

export const attachDetachDefaults: AttachDetachSettings = {
  loopMs: 100,
  maxWaitForUnmountMs: 360_000,
  verifySyncMs: 60_000,
  disableForceDetachOnTimeout: false,
  operationTimeoutMs: 120_000,
};

const managedAnnotation = 'volumes.kubernetes.io/controller-managed-attach-detach';
const firstBackoffMs = 500;
const longestBackoffMs = 122_000;
/** An attach looks at its object after so long first (csi_attacher.go, initBackoff). */
const firstLookMs = 500;

interface Attachment {
  readonly volume: CsiVolume;
  readonly node: string;
  /** False: uncertain; such an attachment does not count for the multi-attach guard. */
  confirmed: boolean;
  /** Assumed for every new attachment, until the node's status says otherwise. */
  mounted: boolean;
  /** Listed in node.status.volumesAttached. */
  reported: boolean;
  detachRequestedAt: number | undefined;
}

interface Operation {
  readonly kind: 'attach' | 'detach';
  readonly volume: CsiVolume;
  readonly node: string;
  readonly startedAt: number;
  /** Undefined while it runs. */
  retryAt: number | undefined;
  delayMs: number;
}

interface Desired {
  readonly volume: CsiVolume;
  readonly node: string;
  readonly pod: Pod;
}

/** What the controller keeps in memory; a fresh one is a restarted controller. */
export class AttachDetachMemory {
  readonly gate = new Gate(
    'pods',
    'nodes',
    'persistentvolumes',
    'persistentvolumeclaims',
    'volumeattachments',
    'csidrivers',
  );
  readonly attachments = new Map<string, Attachment>();
  readonly operations = new Map<string, Operation>();
  readonly nodeVersions = new Map<string, string>();
  /** Nodes that were once seen with the controller-managed annotation; kept after deletion. */
  readonly managed = new Set<string>();
  readonly multiAttachReported = new Set<string>();
  nextLoopAt = Number.NEGATIVE_INFINITY;
  lastSyncAt: number | undefined;
}

interface Loop extends StepContext {
  readonly settings: AttachDetachSettings;
  readonly memory: AttachDetachMemory;
}

export function stepAttachDetach(
  context: StepContext & { readonly settings?: AttachDetachSettings },
  memory: AttachDetachMemory,
): void {
  const { store, now, settings = attachDetachDefaults } = context;
  if (now < memory.nextLoopAt || !memory.gate.open(context)) return;
  memory.nextLoopAt = now + settings.loopMs;
  const loop: Loop = { store, now, settings, memory };
  if (memory.lastSyncAt === undefined) {
    memory.lastSyncAt = now;
    populate(loop);
  }
  observeNodes(loop);
  for (const operation of memory.operations.values()) progress(loop, operation);
  const desired = desiredAttachments(loop);
  detachUndesired(loop, desired);
  attachDesired(loop, desired);
  for (const node of store.all('nodes')) reportAttached(loop, node);
  verifyAttached(loop);
  setWakeUp(loop);
}

/** An attempt to attach the volume to the node runs, and waits for its object. */
export function isAttaching({ operations }: AttachDetachMemory, pv: string, on: string): boolean {
  return [...operations.values()].some(
    ({ kind, volume, node, retryAt }) =>
      kind === 'attach' && retryAt === undefined && volume.pv === pv && node === on,
  );
}

/** After a restart: what node status lists is attached, what only has an object is uncertain. */
function populate({ store, memory }: Loop): void {
  for (const { spec } of store.all('volumeattachments')) {
    const volume = csiVolumeOfPv(store, spec.source.persistentVolumeName ?? '');
    if (volume === undefined) continue;
    const listed = store.find('nodes', spec.nodeName)?.status?.volumesAttached ?? [];
    const confirmed = listed.some(({ name }) => name === volume.uniqueName);
    mark(memory, volume, spec.nodeName, confirmed);
  }
}

function keyOf(volume: CsiVolume, node: string): string {
  return `${volume.uniqueName}|${node}`;
}

/** Volumes that only one node may have share one operation slot among all nodes. */
function operationKey(volume: CsiVolume, node: string): string {
  return volume.shared ? keyOf(volume, node) : volume.uniqueName;
}

function mark(
  memory: AttachDetachMemory,
  volume: CsiVolume,
  node: string,
  confirmed: boolean,
): void {
  const known = memory.attachments.get(keyOf(volume, node));
  const attachment = known ?? {
    volume,
    node,
    confirmed,
    mounted: true,
    reported: false,
    detachRequestedAt: undefined,
  };
  attachment.confirmed = confirmed;
  if (confirmed) attachment.reported = true;
  memory.attachments.set(keyOf(volume, node), attachment);
}

/** Every update of a node tells anew what it has mounted; a deleted node keeps its last word. */
function observeNodes({ store, memory }: Loop): void {
  for (const node of store.all('nodes')) {
    const { name, resourceVersion, annotations } = node.metadata;
    if (memory.nodeVersions.get(name) === resourceVersion) continue;
    memory.nodeVersions.set(name, resourceVersion);
    if (annotations?.[managedAnnotation] === 'true') memory.managed.add(name);
    const inUse = new Set(node.status?.volumesInUse);
    for (const attachment of memory.attachments.values()) {
      if (attachment.node === name) attachment.mounted = inUse.has(attachment.volume.uniqueName);
    }
  }
}

function desiredAttachments({ store, memory }: Loop): Map<string, Desired> {
  const desired = new Map<string, Desired>();
  for (const pod of store.all('pods')) {
    const node = pod.spec.nodeName ?? '';
    if (node === '' || !memory.managed.has(node) || isPodTerminated(pod)) continue;
    for (const volume of csiVolumesOf(store, pod)) {
      if (volume.attachRequired) desired.set(keyOf(volume, node), { volume, node, pod });
    }
  }
  return desired;
}

function detachUndesired(loop: Loop, desired: ReadonlyMap<string, Desired>): void {
  const { store, now, settings, memory } = loop;
  for (const [key, attachment] of memory.attachments) {
    if (desired.has(key) || !safeToRetry(loop, attachment)) continue;
    attachment.detachRequestedAt ??= now;
    const timeout = now - attachment.detachRequestedAt > settings.maxWaitForUnmountMs;
    const node = store.find('nodes', attachment.node);
    const healthy = node !== undefined && conditionStatus(node, 'Ready') === 'True';
    const force = timeout && !healthy && !settings.disableForceDetachOnTimeout;
    // The key alone counts, whatever the effect, and nobody asks whether the node is ready.
    const outOfService = node?.spec?.taints?.some((taint) => taint.key === outOfServiceTaint);
    if (attachment.mounted && !force && outOfService !== true) continue;
    attachment.reported = false;
    if (node !== undefined) reportAttached(loop, node);
    const verified = timeout || outOfService === true || !inUse(node, attachment.volume);
    startDetach(loop, attachment, verified);
  }
}

function inUse(node: Node | undefined, volume: CsiVolume): boolean {
  return node?.status?.volumesInUse?.includes(volume.uniqueName) === true;
}

/** IsOperationSafeToRetry: not while one runs, nor while a detach backs off. */
function safeToRetry({ memory, now }: Loop, { volume, node }: Attachment): boolean {
  const operation = memory.operations.get(operationKey(volume, node));
  if (operation === undefined) return true;
  if (operation.retryAt === undefined) return false;
  return operation.kind !== 'detach' || now >= operation.retryAt;
}

function startDetach(loop: Loop, attachment: Attachment, safe: boolean): void {
  const { volume, node } = attachment;
  const operation = startOperation(loop, 'detach', volume, node);
  if (!safe) {
    attachment.reported = true;
    backOff(loop, operation);
    return;
  }
  loop.store.delete('volumeattachments', { name: nameOf(operation) });
  progress(loop, operation);
}

function attachDesired(loop: Loop, desired: ReadonlyMap<string, Desired>): void {
  const { memory, now } = loop;
  for (const [key, want] of desired) {
    const { volume, node } = want;
    const operation = memory.operations.get(operationKey(volume, node));
    if (operation !== undefined && operation.retryAt === undefined) continue;
    const attachment = memory.attachments.get(key);
    if (attachment?.confirmed === true) {
      attachment.detachRequestedAt = undefined;
      continue;
    }
    if (!volume.shared && attachedElsewhere(loop, want)) continue;
    // An attach replaces a detach that backs off, but honours the back-off of an attach.
    if (operation?.kind === 'attach' && now < (operation.retryAt ?? 0)) continue;
    startAttach(loop, want);
  }
}

/** Only confirmed attachments count: after a failed detach nothing here protects the volume. */
function attachedElsewhere(loop: Loop, { volume, pod }: Desired): boolean {
  const { memory, store } = loop;
  for (const attachment of memory.attachments.values()) {
    if (!attachment.confirmed || attachment.volume.uniqueName !== volume.uniqueName) continue;
    const report = `${pod.metadata.uid}|${volume.uniqueName}`;
    if (!memory.multiAttachReported.has(report)) {
      memory.multiAttachReported.add(report);
      recordEvent(store, {
        about: pod,
        type: 'Warning',
        reason: 'FailedAttachVolume',
        message: `Multi-Attach error for volume "${volume.pv}" Volume is already exclusively attached to one node and can't be attached to another`,
        component: 'attachdetach-controller',
      });
    }
    return true;
  }
  return false;
}

function startAttach(loop: Loop, { volume, node }: Desired): void {
  const operation = startOperation(loop, 'attach', volume, node);
  // 409 AlreadyExists is no error: the answer depends on what that object says.
  const made = loop.store.create('volumeattachments', {
    metadata: { name: nameOf(operation) },
    spec: {
      attacher: volume.driver,
      nodeName: node,
      source: { persistentVolumeName: volume.pv },
    },
  });
  if (!made.ok && made.status !== 409) failAttach(loop, operation);
}

/** What is uncertain is tried again, and does not stand in node status. */
function failAttach(loop: Loop, operation: Operation): void {
  mark(loop.memory, operation.volume, operation.node, false);
  backOff(loop, operation);
}

function startOperation(
  { memory, now }: Loop,
  kind: 'attach' | 'detach',
  volume: CsiVolume,
  node: string,
): Operation {
  const key = operationKey(volume, node);
  const before = memory.operations.get(key);
  const delayMs = before?.kind === kind ? before.delayMs : 0;
  const operation: Operation = { kind, volume, node, startedAt: now, retryAt: undefined, delayMs };
  memory.operations.set(key, operation);
  return operation;
}

function nameOf({ volume, node }: Operation): string {
  return attachmentName(volume.handle, volume.driver, node);
}

/** Looks what became of a running operation. */
function progress(loop: Loop, operation: Operation): void {
  if (operation.retryAt !== undefined) return;
  const { memory, now, settings } = loop;
  const attachment = loop.store.find('volumeattachments', nameOf(operation));
  const { volume, node } = operation;
  const key = keyOf(volume, node);
  const late = now - operation.startedAt >= settings.operationTimeoutMs;
  if (operation.kind === 'detach') {
    if (attachment === undefined) {
      memory.attachments.delete(key);
      memory.operations.delete(operationKey(volume, node));
    } else if (attachment.status?.detachError !== undefined || late) {
      mark(memory, volume, node, false);
      backOff(loop, operation);
    }
    return;
  }
  if (late || hasFailed(loop, operation, attachment)) {
    failAttach(loop, operation);
  } else if (attachment?.status?.attached === true) {
    mark(memory, volume, node, true);
    memory.operations.delete(operationKey(volume, node));
  }
}

/**
 * One that is being deleted ends the attempt when it is looked at. One that is not there does not:
 * it may have been made a moment ago; so if it goes in between, the attempt lasts its whole time.
 */
function hasFailed(
  { now }: Loop,
  { startedAt }: Operation,
  attachment: VolumeAttachment | undefined,
): boolean {
  if (attachment === undefined) return false;
  if (isDeleting(attachment)) return now >= startedAt + firstLookMs;
  return attachment.status?.attached !== true && attachment.status?.attachError !== undefined;
}

function backOff({ now }: Loop, operation: Operation): void {
  operation.delayMs = Math.min(longestBackoffMs, operation.delayMs * 2 || firstBackoffMs);
  operation.retryAt = now + operation.delayMs;
}

/** Makes node.status.volumesAttached say what we know; a node that is gone is no error. */
function reportAttached({ store, memory }: Loop, node: Node): void {
  const { name } = node.metadata;
  if (!memory.managed.has(name)) return;
  const names = [...memory.attachments.values()]
    .filter((attachment) => attachment.node === name && attachment.reported)
    .map((attachment) => attachment.volume.uniqueName);
  const before = (store.find('nodes', name)?.status?.volumesAttached ?? []).map(
    (volume) => volume.name,
  );
  if (names.length === before.length && names.every((one) => before.includes(one))) return;
  const volumesAttached = names.map((one) => ({ name: one, devicePath: '' }));
  store.patch('nodes', { name }, { status: { volumesAttached } }, { subresource: 'status' });
}

/**
 * The verify sync: a confirmed attachment whose object is gone, or says not attached, is forgotten;
 * the next loop attaches it again if a pod still wants it. Deleting but attached still counts.
 */
function verifyAttached({ store, now, settings, memory }: Loop): void {
  if (now - (memory.lastSyncAt ?? now) <= settings.verifySyncMs) return;
  memory.lastSyncAt = now;
  for (const [key, { volume, node, confirmed }] of memory.attachments) {
    if (!confirmed) continue;
    const name = attachmentName(volume.handle, volume.driver, node);
    if (store.find('volumeattachments', name)?.status?.attached === true) continue;
    memory.attachments.delete(key);
    memory.gate.wakeAt(now);
  }
}

function setWakeUp({ now, settings, memory }: Loop): void {
  const { gate } = memory;
  gate.wakeAt((memory.lastSyncAt ?? 0) + settings.verifySyncMs + 1);
  for (const { startedAt, retryAt } of memory.operations.values()) {
    const looksAt = startedAt + firstLookMs;
    gate.wakeAt(retryAt ?? (now < looksAt ? looksAt : startedAt + settings.operationTimeoutMs));
  }
  for (const { detachRequestedAt } of memory.attachments.values()) {
    if (detachRequestedAt === undefined) continue;
    const due = detachRequestedAt + settings.maxWaitForUnmountMs + 1;
    if (due > memory.nextLoopAt - settings.loopMs) gate.wakeAt(due);
  }
}
