/**
 * How each action is carried out: request by request, each with its precondition, read again right
 * before. Generators, not promises: the product runs them over HTTP and gRPC, the simulation runs
 * the same code and may stop it between any two requests. Every one of them is idempotent.
 */
import type { Performance } from '../shared/effect.ts';
import { attacherFinalizer, holdFinalizer, intentAnnotation } from '../shared/names.ts';
import { done, failed, outcomeOfHttp, unknown } from '../shared/outcome.ts';
import { decodePodIntent, encodePodIntent } from '../shared/record.ts';
import type { Action, ActionOf, AttachmentTarget, SeenAttachment } from './actions.ts';
import { readHealth } from './driver-dialect.ts';
import { endPod, evict } from './end-pod.ts';
import { readOtherNodeId } from './node-id.ts';
import * as api from './requests.ts';
import { abnormalCode } from './storage-view.ts';
import { verifyRevoked } from './verify-revoked.ts';
import {
  beginEpisode,
  recordIn,
  removeRecord,
  standingRecord,
  updateRecord,
} from './write-record.ts';
import { setCondition } from './write-condition.ts';
import { clearTaint, setTaint } from './write-taint.ts';

/** Values that an action needs from outside. */
export interface ActContext {
  readonly driver: string;
  /** Wall time as RFC 3339, for what people read. */
  readonly wallTime: string;
}

export function act(action: Action, context: ActContext): Performance {
  switch (action.kind) {
    case 'BeginEpisode':
      return beginEpisode(action, context.wallTime);
    case 'UpdateRecord':
      return updateRecord(action);
    case 'RemoveRecord':
      return removeRecord(action);
    case 'MarkPod':
      return markPod(action, context);
    case 'UnmarkPod':
      return unmarkPod(action, context);
    case 'SetTaint':
      return setTaint(action);
    case 'ClearTaint':
      return clearTaint(action);
    case 'Hold':
      return hold(action, context);
    case 'VerifyRevoked':
      return verifyRevoked(action);
    case 'SetCondition':
      return setCondition(action, context.wallTime);
    case 'ConfirmHealth':
      return confirmHealth(action, context);
    case 'EndPod':
      return endPod(action, context);
    case 'Evict':
      return evict(action, context);
    case 'DropHold':
      return dropHold(action);
    case 'UndoHold':
      return undoHold(action);
  }
}

function* markPod(action: ActionOf<'MarkPod'>, { driver }: ActContext): Performance {
  const standing = yield* standingRecord(action.heartbeat, action.intent.epoch, [
    'Intent',
    'Fenced',
  ]);
  if (standing !== undefined) return standing;
  const { node, pod, intent, nodeIds = [] } = action;
  const otherId = yield* readOtherNodeId(node, driver, nodeIds);
  if (otherId !== undefined) return otherId;
  const annotations = { [intentAnnotation(driver)]: encodePodIntent(intent) };
  return yield* api.patch('pods', pod, { metadata: { uid: pod.uid, annotations } });
}

function* unmarkPod(action: ActionOf<'UnmarkPod'>, { driver }: ActContext): Performance {
  const { pod, heartbeat, epoch } = action;
  const lease = yield* api.get('leases', heartbeat);
  if (lease.status !== 200 && lease.status !== 404) {
    return outcomeOfHttp(lease.status, 'reading the fence record');
  }
  const record = recordIn(lease.body);
  if (record?.epoch === epoch && record.phase !== 'Released') {
    return failed('STANDING', 'the episode of this intent stands');
  }
  const found = yield* api.get('pods', pod);
  if (api.isAnother(found, pod.uid)) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the pod');
  const key = intentAnnotation(driver);
  if (decodePodIntent(api.annotationsOf(found.body)[key])?.epoch !== epoch) return done;
  // The version, because the intent of the next episode may be written meanwhile.
  const resourceVersion = api.resourceVersionOf(found.body);
  const metadata = { uid: pod.uid, resourceVersion, annotations: { [key]: null } };
  return yield* api.patch('pods', pod, { metadata });
}

/**
 * The hold: our finalizer first, then the deletion. The finalizer is the durable mark that the
 * fence has been sent; and it goes on only while the attacher's own is there, because without it
 * the object would vanish without any call to the driver (external-attacher trivialHandler).
 */
function* hold(action: ActionOf<'Hold'>, { driver }: ActContext): Performance {
  const { heartbeat, epoch, attachment } = action;
  const before = yield* standingRecord(heartbeat, epoch, ['Intent', 'Fenced']);
  if (before !== undefined) return before;
  const otherId = yield* readOtherNodeId(action.node, driver, [attachment.nodeId]);
  if (otherId !== undefined) return otherId;
  const isBegun = attachment.finalizers.includes(holdFinalizer);
  const marked = yield* isBegun ? stillHeld(attachment) : putHold(action, driver);
  if (marked.kind !== 'Done') return marked;
  const standing = yield* standingRecord(heartbeat, epoch, ['Intent', 'Fenced']);
  if (standing !== undefined) return standing;
  return yield* api.remove('volumeattachments', placeOf(attachment));
}

function* putHold({ attachment, bare }: ActionOf<'Hold'>, driver: string): Performance {
  const { finalizers, uid, resourceVersion } = attachment;
  if (bare !== true && !finalizers.includes(attacherFinalizer(driver))) {
    return failed('NOT_ATTACHED', 'the attacher has not put its finalizer on it');
  }
  const metadata = {
    uid,
    resourceVersion,
    finalizers: [...finalizers, holdFinalizer],
  };
  return yield* api.patch('volumeattachments', placeOf(attachment), { metadata });
}

/** Our own finalizer was seen on it; without that the deletion would take the volume for good. */
function* stillHeld(attachment: SeenAttachment): Performance {
  const found = yield* api.get('volumeattachments', placeOf(attachment));
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the VolumeAttachment');
  if (api.isAnother(found, attachment.uid)) return failed('REPLACED', 'another VolumeAttachment');
  return api.isHeld(found.body) ? done : failed('NOT_HELD', 'the hold has been taken back');
}

function placeOf({ name, uid }: AttachmentTarget): AttachmentTarget & { readonly namespace: '' } {
  return { namespace: '', name, uid };
}

/** Bad only by the storage's own word; no answer, or one without a word, leaves it unknown. */
function* confirmHealth(action: ActionOf<'ConfirmHealth'>, { driver }: ActContext): Performance {
  const reply = yield { target: 'csi', call: 'VolumeHealth', handle: action.handle };
  if (reply.target !== 'csi') return failed('WRONG_REPLY', 'not an answer of the driver');
  if (reply.outcome.kind !== 'Done') return reply.outcome;
  if (reply.health === undefined) return unknown('NO_WORD', 'the driver has no word on it');
  const { status, reason, message } = readHealth(driver, 'controller', reply.health);
  switch (status) {
    case 'Healthy':
    case 'Degraded':
      return done;
    case 'Inaccessible':
    case 'Hung':
    case 'Abnormal':
    case 'DataLoss':
      return failed(abnormalCode, `${status} ${reason}: ${message}`);
    case 'Unknown':
      return unknown('NO_WORD', `the driver has no word on it: ${message}`);
  }
}

/** Takes off our finalizer, never another, and only from an object that nothing else keeps. */
function* dropHold({ heartbeat, epoch, attachment }: ActionOf<'DropHold'>): Performance {
  const standing = yield* standingRecord(heartbeat, epoch, ['Fenced', 'Moved']);
  if (standing !== undefined) return standing;
  const { uid, resourceVersion, finalizers } = attachment;
  if (finalizers.length !== 1 || finalizers[0] !== holdFinalizer) {
    return failed('NOT_HELD', 'it is not a confirmed hold');
  }
  const metadata = { uid, resourceVersion, finalizers: [] };
  const outcome = yield* api.patch('volumeattachments', placeOf(attachment), { metadata });
  return outcome.kind === 'Failed' && outcome.code === 'HTTP_404' ? done : outcome;
}

/**
 * A former leader was stopped between the finalizer and the deletion, and the episode is over or
 * was withdrawn. As long as the object is not being deleted nothing was taken away by it.
 */
function* undoHold(action: ActionOf<'UndoHold'>): Performance {
  const { heartbeat, attachment, pv } = action;
  const target = { namespace: '', name: attachment.name };
  const lease = yield* api.get('leases', heartbeat);
  if (lease.status !== 200 && lease.status !== 404) {
    return outcomeOfHttp(lease.status, 'reading the fence record');
  }
  const listed = recordIn(lease.body)?.volumes.some((volume) => volume.pv === pv);
  if (listed === true) return failed('LISTED', 'the fence record lists the volume');
  const found = yield* api.get('volumeattachments', target);
  if (api.isAnother(found, attachment.uid)) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the VolumeAttachment');
  if (api.isDeleting(found.body)) return failed('DELETING', 'the volume is being taken away');
  const metadata = {
    uid: attachment.uid,
    resourceVersion: api.resourceVersionOf(found.body),
    finalizers: api.finalizersOf(found.body).filter((one) => one !== holdFinalizer),
  };
  return yield* api.patch('volumeattachments', target, { metadata });
}
