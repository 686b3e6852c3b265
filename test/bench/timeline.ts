/** When each step of a failover was over for the last of many pods, read off what happened. */
import { holdFinalizer } from '../../src/shared/names.ts';
import type { WriterSummary } from '../array/judge.ts';
import type { AdminRecord } from '../array/storage-array.ts';
import type { Change } from '../machine/foundation.ts';
import {
  pvName,
  slotOfPlan,
  volumeHandle,
  type WorkloadPlan,
} from '../machine/workload-objects.ts';
import type { VolumeAttachment } from '../model/objects.ts';
import { of } from '../scenarios/traces.ts';

/** The order in which csi-failover goes through them; others evict before they fence. */
export const steps = ['detection', 'fence', 'eviction', 'detach', 'attach', 'first write'] as const;
export type Step = (typeof steps)[number];

/** Wall-clock ms of one moment; undefined: it never came. */
type Moment = number | undefined;

/** What is known of one failover when it is over, or when nobody waits for it any more. */
export interface Evidence {
  readonly victim: string;
  readonly plans: readonly WorkloadPlan[];
  /** Of the pods that ran on the victim. */
  readonly podUids: ReadonlySet<string>;
  readonly powerOffAt: number;
  readonly detectedAt: Moment;
  /** Since the power went off. */
  readonly changes: readonly Change[];
  readonly records: readonly AdminRecord[];
  readonly writers: readonly WriterSummary[];
}

export interface Timeline {
  /** Seconds from power-off until the last of the pods was through; undefined: not all were. */
  readonly ends: Readonly<Record<Step, number | undefined>>;
  /** Of the half of the pods that wrote first. */
  readonly halfWritten: number | undefined;
  /** How many pods wrote again. */
  readonly recovered: number;
  /** From the first action that takes something away to the last old VolumeAttachment gone. */
  readonly detachSpan: number | undefined;
}

export function timelineOf(evidence: Evidence): Timeline {
  const { powerOffAt, detectedAt, plans, podUids } = evidence;
  const seconds = (moment: Moment): number | undefined =>
    moment === undefined ? undefined : (moment - powerOffAt) / 1_000;
  const attachments = of(evidence.changes, 'volumeattachments') as readonly AttachmentChange[];
  const written = plans.map((plan) => firstWrite(evidence, plan));
  const detached = last(plans.map((plan) => detachedAt(attachments, evidence.victim, plan)));
  const began = firstAction(evidence, attachments);
  return {
    ends: {
      detection: seconds(detectedAt),
      fence: seconds(last(plans.map((plan) => fencedAt(evidence, plan)))),
      eviction: seconds(last([...podUids].map((uid) => evictedAt(evidence, uid)))),
      detach: seconds(detached),
      attach: seconds(last(plans.map((plan) => attachedAt(attachments, evidence.victim, plan)))),
      'first write': seconds(last(written)),
    },
    halfWritten: seconds(last(half(written))),
    recovered: written.filter((moment) => moment !== undefined).length,
    detachSpan:
      began === undefined || detached === undefined ? undefined : (detached - began) / 1_000,
  };
}

type AttachmentChange = Change & { readonly object: VolumeAttachment };

function fencedAt({ records, victim, powerOffAt }: Evidence, plan: WorkloadPlan): Moment {
  const handle = volumeHandle(plan);
  return records.find(
    ({ call, answer, nodeId, time, ...record }) =>
      record.handle === handle &&
      nodeId === victim &&
      call === 'unpublish' &&
      answer === 'ok' &&
      time >= powerOffAt,
  )?.time;
}

function evictedAt({ changes }: Evidence, uid: string): Moment {
  return changes.find(({ type, object }) => type === 'DELETED' && object.metadata.uid === uid)?.at;
}

function detachedAt(
  attachments: readonly AttachmentChange[],
  victim: string,
  plan: WorkloadPlan,
): Moment {
  return attachments.findLast(
    ({ type, object }) =>
      type === 'DELETED' && isOf(object, plan) && object.spec.nodeName === victim,
  )?.at;
}

function attachedAt(
  attachments: readonly AttachmentChange[],
  victim: string,
  plan: WorkloadPlan,
): Moment {
  return attachments.find(
    ({ type, object }) =>
      type !== 'DELETED' &&
      isOf(object, plan) &&
      object.spec.nodeName !== victim &&
      object.status?.attached === true,
  )?.at;
}

function firstWrite({ writers, podUids }: Evidence, plan: WorkloadPlan): Moment {
  return writers.find(({ slot, podUid }) => slot === slotOfPlan(plan) && !podUids.has(podUid))
    ?.firstAcceptedAt;
}

/** The first pod or attachment that is ended, or the first hold. */
function firstAction(
  { changes, podUids, victim }: Evidence,
  attachments: readonly AttachmentChange[],
): Moment {
  const taken = attachments.find(
    ({ type, object: { metadata, spec } }) =>
      spec.nodeName === victim &&
      (type === 'DELETED' ||
        metadata.deletionTimestamp !== undefined ||
        metadata.finalizers?.includes(holdFinalizer) === true),
  );
  const ended = of(changes, 'pods').find(
    ({ type, object }) =>
      podUids.has(object.metadata.uid) &&
      (type === 'DELETED' || object.metadata.deletionTimestamp !== undefined),
  ) as Change | undefined;
  return [taken, ended].flatMap((change) => change?.at ?? []).toSorted((a, b) => a - b)[0];
}

function isOf({ spec }: VolumeAttachment, plan: WorkloadPlan): boolean {
  return spec.source.persistentVolumeName === pvName(plan);
}

/** Undefined unless all of them came. */
function last(moments: readonly Moment[]): Moment {
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === moments.length && known.length > 0 ? Math.max(...known) : undefined;
}

/** The earlier half, rounded up; with those that never came at the end. */
function half(moments: readonly Moment[]): readonly Moment[] {
  const order = moments.toSorted(
    (a, b) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY),
  );
  return order.slice(0, Math.ceil(order.length / 2));
}
