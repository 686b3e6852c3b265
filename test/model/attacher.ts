/**
 * external-attacher: makes the driver publish what a VolumeAttachment wants, and unpublish what a
 * deleted one wanted. Source: external-attacher pkg/controller/{csi_handler,util,controller}.go at
 * v4.12; the sequence of patches is theirs.
 */
import type { JsonObject } from '../../src/shared/effect.ts';
import { attacherFinalizer, nodeIdAnnotation } from '../../src/shared/names.ts';
import { isDeleting } from './conditions.ts';
import { equal } from './json.ts';
import type { PersistentVolume, VolumeAttachment } from './objects.ts';
import { Gate, type StepContext } from './step.ts';

/** `done`, or `pending`: ask again in the next step with the same arguments, or what went wrong. */
export type DriverAnswer = 'pending' | 'done' | { readonly error: string };

/** The CSI driver's controller service, polled: starting and asking for the result are one call. */
export interface Driver {
  readonly name: string;
  publish(handle: string, nodeId: string): DriverAnswer;
  unpublish(handle: string, nodeId: string): DriverAnswer;
  /**
   * Node ids; only drivers with LIST_VOLUMES_PUBLISHED_NODES have this. `pending` asks again in
   * the next step, undefined skips this reconcile round.
   */
  publishedNodes?(handle: string): readonly string[] | 'pending' | undefined;
}

export interface AttacherSettings {
  /** `--timeout`: after it the call counts as failed, though the driver may go on. */
  readonly timeoutMs: number;
  readonly retryStartMs: number;
  readonly retryMaxMs: number;
  /** `--reconcile-sync`. */
  readonly reconcileSyncMs: number;
}

export const attacherDefaults: AttacherSettings = {
  timeoutMs: 15_000,
  retryStartMs: 1_000,
  retryMaxMs: 300_000,
  reconcileSyncMs: 60_000,
};

interface Call {
  readonly kind: 'publish' | 'unpublish';
  readonly handle: string;
  readonly nodeId: string;
  readonly startedAt: number;
}

interface Item {
  /** What was seen when it was last worked on: any other change is worked on at once. */
  seen: unknown;
  retryAt: number;
  delayMs: number;
  forced: boolean;
  call: Call | undefined;
}

export class AttacherMemory {
  readonly gate = new Gate('volumeattachments', 'persistentvolumes', 'csinodes');
  readonly items = new Map<string, Item>();
  lastReconcileAt: number | undefined;
}

interface Loop extends StepContext {
  readonly driver: Driver;
  readonly settings: AttacherSettings;
  readonly memory: AttacherMemory;
}

export function stepAttacher(
  context: StepContext & { readonly driver: Driver; readonly settings?: AttacherSettings },
  memory: AttacherMemory,
): void {
  const { store, now, driver, settings = attacherDefaults } = context;
  memory.lastReconcileAt ??= now;
  if (!memory.gate.open(context)) return;
  const loop: Loop = { store, now, driver, settings, memory };
  if (now - memory.lastReconcileAt >= settings.reconcileSyncMs) reconcile(loop);
  for (const [name, item] of memory.items) poll(loop, name, item);
  for (const attachment of store.all('volumeattachments')) {
    if (attachment.spec.attacher === driver.name) work(loop, attachment);
  }
  for (const [name, item] of memory.items) {
    const gone = store.find('volumeattachments', name) === undefined;
    if (item.call !== undefined) memory.gate.wakeAt(now);
    else if (gone) memory.items.delete(name);
    else if (item.retryAt > now) memory.gate.wakeAt(item.retryAt);
  }
  if (driver.publishedNodes !== undefined) {
    memory.gate.wakeAt(memory.lastReconcileAt + settings.reconcileSyncMs);
  }
}

function hasFinalizer(attachment: VolumeAttachment): boolean {
  const finalizer = attacherFinalizer(attachment.spec.attacher);
  return attachment.metadata.finalizers?.includes(finalizer) === true;
}

function work(loop: Loop, attachment: VolumeAttachment): void {
  const item = itemOf(loop, attachment);
  const { metadata, status } = attachment;
  const seen = [
    metadata.uid,
    metadata.deletionTimestamp,
    metadata.finalizers,
    metadata.annotations,
    status?.attached,
  ];
  if (item.call !== undefined) return;
  if (loop.now < item.retryAt && !item.forced && equal(seen, item.seen)) return;
  item.seen = seen;
  const forced = item.forced;
  item.forced = false;
  const deleting = isDeleting(attachment);
  const wanted = forced || (deleting ? hasFinalizer(attachment) : status?.attached !== true);
  if (!wanted) return;
  const call = deleting ? detachCall(loop, attachment) : attachCall(loop, attachment);
  if ('error' in call) {
    settle(loop, attachment.metadata.name, item, deleting ? 'unpublish' : 'publish', call);
    return;
  }
  item.call = call;
  poll(loop, attachment.metadata.name, item);
}

function itemOf({ memory }: Loop, attachment: VolumeAttachment): Item {
  const { name } = attachment.metadata;
  const known = memory.items.get(name);
  if (known !== undefined) return known;
  const item: Item = { seen: undefined, retryAt: 0, delayMs: 0, forced: false, call: undefined };
  memory.items.set(name, item);
  return item;
}

/** Finalizers on PV and VolumeAttachment, and the node id, are written before the driver is asked. */
function attachCall(loop: Loop, attachment: VolumeAttachment): Call | { readonly error: string } {
  const { store, now, driver } = loop;
  const pv = volumeOf(loop, attachment);
  const nodeId = csiNodeId(loop, attachment);
  if (pv?.spec.csi === undefined) return { error: 'persistentvolume not found' };
  if (isDeleting(pv)) {
    return { error: `PersistentVolume "${pv.metadata.name}" is marked for deletion` };
  }
  const finalizer = attacherFinalizer(driver.name);
  const { name } = attachment.metadata;
  store.patch(
    'persistentvolumes',
    { name: pv.metadata.name },
    {
      metadata: { finalizers: [...new Set([...(pv.metadata.finalizers ?? []), finalizer])] },
    },
  );
  if (nodeId === undefined) {
    return { error: `CSINode ${attachment.spec.nodeName} does not contain driver ${driver.name}` };
  }
  const finalizers = [...new Set([...(attachment.metadata.finalizers ?? []), finalizer])];
  const patch = { metadata: { finalizers, annotations: { [nodeIdAnnotation]: nodeId } } };
  const answer = store.patch('volumeattachments', { name }, patch);
  if (!answer.ok) return { error: `could not add VolumeAttachment finalizer: ${answer.message}` };
  return { kind: 'publish', handle: pv.spec.csi.volumeHandle, nodeId, startedAt: now };
}

/** The node id comes from CSINode, and only without it from the annotation. */
function detachCall(loop: Loop, attachment: VolumeAttachment): Call | { readonly error: string } {
  const pv = volumeOf(loop, attachment);
  const nodeId = csiNodeId(loop, attachment) ?? attachment.metadata.annotations?.[nodeIdAnnotation];
  if (pv?.spec.csi === undefined) return { error: 'persistentvolume not found' };
  if (nodeId === undefined) return { error: 'node id unknown' };
  return { kind: 'unpublish', handle: pv.spec.csi.volumeHandle, nodeId, startedAt: loop.now };
}

function volumeOf({ store }: Loop, attachment: VolumeAttachment): PersistentVolume | undefined {
  return store.find('persistentvolumes', attachment.spec.source.persistentVolumeName ?? '');
}

function csiNodeId({ store, driver }: Loop, attachment: VolumeAttachment): string | undefined {
  const csiNode = store.find('csinodes', attachment.spec.nodeName);
  return csiNode?.spec.drivers.find(({ name }) => name === driver.name)?.nodeID;
}

function poll(loop: Loop, name: string, item: Item): void {
  const { driver, now, settings } = loop;
  const { call } = item;
  if (call === undefined) return;
  const answer =
    call.kind === 'publish'
      ? driver.publish(call.handle, call.nodeId)
      : driver.unpublish(call.handle, call.nodeId);
  const late = now - call.startedAt >= settings.timeoutMs;
  if (answer === 'pending' && !late) return;
  item.call = undefined;
  const result =
    answer === 'done'
      ? undefined
      : answer === 'pending'
        ? { error: 'rpc error: code = DeadlineExceeded' }
        : answer;
  settle(loop, name, item, call.kind, result);
}

function settle(
  loop: Loop,
  name: string,
  item: Item,
  kind: Call['kind'],
  failure: { readonly error: string } | undefined,
): void {
  const { now, settings } = loop;
  if (failure === undefined) {
    item.delayMs = 0;
    item.retryAt = 0;
    if (kind === 'publish') markAttached(loop, name);
    else markDetached(loop, name);
    return;
  }
  item.delayMs = Math.min(settings.retryMaxMs, item.delayMs * 2 || settings.retryStartMs);
  item.retryAt = now + item.delayMs;
  const field = kind === 'publish' ? 'attachError' : 'detachError';
  const error = { message: failure.error, time: loop.store.timestamp() };
  patchStatus(loop, name, { [field]: error });
}

function markAttached(loop: Loop, name: string): void {
  patchStatus(loop, name, { attached: true, attachError: null });
}

/** The status first, the finalizer second, so that the object does not vanish in between. */
function markDetached(loop: Loop, name: string): void {
  patchStatus(loop, name, { attached: false, detachError: null });
  const attachment = loop.store.find('volumeattachments', name);
  const finalizer = attacherFinalizer(loop.driver.name);
  const finalizers = attachment?.metadata.finalizers?.filter((one) => one !== finalizer);
  if (finalizers === undefined) return;
  loop.store.patch('volumeattachments', { name }, { metadata: { finalizers } });
}

function patchStatus({ store }: Loop, name: string, status: JsonObject): void {
  store.patch('volumeattachments', { name }, { status }, { subresource: 'status' });
}

/** ReconcileVA: where the driver's listing contradicts the status, the object is worked on anew. */
function reconcile(loop: Loop): void {
  const { store, driver, memory, now } = loop;
  if (driver.publishedNodes === undefined) return;
  const forced: Item[] = [];
  for (const attachment of store.all('volumeattachments')) {
    if (attachment.spec.attacher !== driver.name) continue;
    const nodeId =
      csiNodeId(loop, attachment) ?? attachment.metadata.annotations?.[nodeIdAnnotation];
    const handle = volumeOf(loop, attachment)?.spec.csi?.volumeHandle;
    if (nodeId === undefined || handle === undefined) continue;
    const nodes = driver.publishedNodes(handle);
    if (nodes === 'pending') {
      memory.gate.wakeAt(now);
      return;
    }
    if (nodes === undefined) continue;
    if (nodes.includes(nodeId) !== (attachment.status?.attached === true)) {
      forced.push(itemOf(loop, attachment));
    }
  }
  memory.lastReconcileAt = now;
  for (const item of forced) item.forced = true;
}
