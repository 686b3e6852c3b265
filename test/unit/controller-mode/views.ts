import type { Action } from '../../../src/controller-mode/actions.ts';
import type { SourceName } from '../../../src/controller-mode/facts.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import {
  type AttachmentView,
  keyOf,
  type LeaseView,
  type NodeView,
  type ObjectView,
  type PodView,
  type PvView,
  type View,
} from '../../../src/shared/model.ts';
import { attacherFinalizer, holdFinalizer } from '../../../src/shared/names.ts';
import { defaultPolicy } from '../../default-policy.ts';
import { encodeNodeReport, type NodeReport } from '../../../src/shared/record.ts';

/** Objects as controller mode sees them, healthy unless told otherwise. */

export const driver = 'block.example.com';
export const otherDriver = 'file.example.com';
export const namespace = 'storage';
export const beatMs = 2_000;
export const renewMs = 10_000;
export const epoch = '7';

export const policy: Policy = {
  driver,
  namespace,
  ...defaultPolicy,
  heartbeatIntervalMs: beatMs,
  fence: { kind: 'unpublish', claim: 'The array takes it away.' },
};

export const sourceOf: Readonly<Record<Exclude<View['kind'], 'lease'>, SourceName>> = {
  node: 'nodes',
  pod: 'pods',
  claim: 'claims',
  pv: 'pvs',
  attachment: 'attachments',
  csinode: 'csinodes',
  csidriver: 'csidrivers',
  namespace: 'namespaces',
  configmap: 'configmaps',
};

/** How far a hold has come, in the words of volumes.ts. */
export type Stage = 'free' | 'bare' | 'leaving' | 'begun' | 'fencing' | 'held';

export type Change<V> = Partial<Omit<V, 'kind'>>;

export function nodeView(object: ObjectView, change: Change<NodeView> = {}): NodeView {
  return {
    ...object,
    kind: 'node',
    ready: 'True',
    unschedulable: false,
    deleting: false,
    taints: [],
    labels: { 'kubernetes.io/hostname': object.name },
    annotations: {},
    bootId: `boot-${object.name}`,
    volumesInUse: [],
    volumesAttached: [],
    ...change,
  };
}

/** A labelled pod of a StatefulSet that runs. */
export function podView(object: ObjectView, change: Change<PodView> = {}): PodView {
  return {
    ...object,
    kind: 'pod',
    nodeName: '',
    phase: 'Running',
    deleting: false,
    finalizers: [],
    owner: { kind: 'StatefulSet', name: 'web', uid: 'uid-of-web' },
    selected: true,
    annotations: {},
    mirror: false,
    restartPolicy: 'Always',
    nodeSelector: {},
    nodeAffinity: undefined,
    tolerations: [],
    volumes: [],
    ...change,
  };
}

export function pvView(object: ObjectView, change: Change<PvView> = {}): PvView {
  return {
    ...object,
    kind: 'pv',
    driver,
    handle: object.name,
    claimNamespace: 'default',
    claimName: '',
    claimUid: '',
    shared: false,
    nodeAffinity: undefined,
    ...change,
  };
}

export function attachmentView(
  object: ObjectView,
  change: Change<AttachmentView> = {},
): AttachmentView {
  return {
    ...object,
    kind: 'attachment',
    driver,
    pv: '',
    nodeName: '',
    attached: true,
    deleting: false,
    finalizers: [attacherFinalizer(change.driver ?? driver)],
    nodeId: '',
    detachError: '',
    ...change,
  };
}

export function leaseView(object: ObjectView, change: Change<LeaseView> = {}): LeaseView {
  return {
    ...object,
    kind: 'lease',
    holder: '',
    renewTime: object.resourceVersion,
    durationMs: 40_000,
    labels: {},
    annotations: {},
    ...change,
  };
}

export function finalizersOf(stage: Stage, attachedBy = driver): readonly string[] {
  const attacher = attacherFinalizer(attachedBy);
  const finalizers: Record<Stage, readonly string[]> = {
    free: [attacher],
    bare: [],
    leaving: [attacher],
    begun: [attacher, holdFinalizer],
    fencing: [attacher, holdFinalizer],
    held: [holdFinalizer],
  };
  return finalizers[stage];
}

export function reportText(report: Partial<NodeReport>): string {
  return encodeNodeReport({
    v: 1,
    bootId: 'boot',
    nodeId: '',
    driver: 'ok',
    kubelet: 'ok',
    unhealthy: [],
    ...report,
  });
}

/** `Kind object`: what an action does, for people. */
export function stepOf(action: Action): string {
  switch (action.kind) {
    case 'SetTaint':
    case 'ClearTaint':
      return `${action.kind} ${action.taint.key.split('/')[0]}`;
    case 'Hold':
    case 'DropHold':
    case 'UndoHold':
      return `${action.kind} ${action.attachment.name}`;
    case 'MarkPod':
    case 'UnmarkPod':
    case 'EndPod':
    case 'Evict':
      return `${action.kind} ${keyOf(action.pod)}`;
    case 'UpdateRecord':
      return `${action.kind} ${action.record.phase}`;
    case 'SetCondition':
      return `${action.kind} ${action.node} ${action.condition.status}`;
    case 'ConfirmHealth':
      return `${action.kind} ${action.handle}`;
    case 'BeginEpisode':
    case 'RemoveRecord':
    case 'VerifyRevoked':
      return `${action.kind} ${action.node}`;
  }
}
