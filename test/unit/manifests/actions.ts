/** One action of each kind, about the same node, pod and volume, and what they are about. */
import type { ActionKind, ActionOf, LeaseTarget } from '../../../src/controller-mode/actions.ts';
import { attacherFinalizer, holdFinalizer } from '../../../src/shared/names.ts';
import type { FenceRecord } from '../../../src/shared/record.ts';

export const driver = 'test.csi-failover.io';
export const driverNamespace = 'the-driver';

export const heartbeat: LeaseTarget = {
  namespace: driverNamespace,
  name: `${driver}.worker`,
  resourceVersion: '5',
};
const epoch = '5';
export const record: FenceRecord = {
  v: 1,
  epoch,
  episode: 'worker.5',
  reason: 'Lost: node-silent',
  since: '',
  bootId: 'b',
  phase: 'Intent',
  volumes: [{ handle: 'h', pv: 'pv' }],
};
const pod = { namespace: 'shop', name: 'mysql-0', uid: 'u' };
export const intent = { epoch, node: 'worker', uid: 'u', volumes: record.volumes };
const common = { key: '', scope: 'worker', exclusive: false, node: 'worker' } as const;
const version = { name: 'csi-1', uid: 'u', resourceVersion: '1', nodeId: 'id' };
const free = { ...version, finalizers: [attacherFinalizer(driver)] };
const held = { ...version, finalizers: [holdFinalizer] };
export const taint = { key: 'k', value: '' };

/** The type asks for a new line when there is a new kind. */
export const actions: { readonly [Kind in ActionKind]: ActionOf<Kind> } = {
  BeginEpisode: {
    ...common,
    kind: 'BeginEpisode',
    driver,
    heartbeat,
    kubeletRenewTime: 't',
    nodeUid: '',
    reason: 'Gone: node-deleted',
    bootId: 'b',
    phase: 'Intent',
    volumes: [],
  },
  UpdateRecord: { ...common, kind: 'UpdateRecord', heartbeat, record, from: record },
  RemoveRecord: { ...common, kind: 'RemoveRecord', heartbeat, epoch, taint: 'key' },
  MarkPod: { ...common, kind: 'MarkPod', pod, heartbeat, intent },
  UnmarkPod: { ...common, kind: 'UnmarkPod', pod, heartbeat, epoch },
  SetTaint: { ...common, kind: 'SetTaint', nodeUid: 'u', taint, record: { heartbeat, epoch } },
  ClearTaint: { ...common, kind: 'ClearTaint', nodeUid: 'u', taint },
  Hold: { ...common, kind: 'Hold', attachment: free, heartbeat, epoch },
  VerifyRevoked: {
    ...common,
    kind: 'VerifyRevoked',
    epoch,
    knownNodeIds: new Set(),
    volumes: [],
  },
  SetCondition: {
    ...common,
    kind: 'SetCondition',
    nodeUid: 'u',
    condition: { type: 't', status: 'True', reason: 'r', message: '' },
  },
  ConfirmHealth: { ...common, kind: 'ConfirmHealth', handle: 'h' },
  EndPod: {
    ...common,
    kind: 'EndPod',
    pod,
    heartbeat,
    epoch,
    graceMs: 5000,
    troubled: [],
  },
  Evict: {
    ...common,
    kind: 'Evict',
    pod,
    heartbeat,
    epoch,
    holds: [{ name: 'csi-1', uid: 'u' }],
    nodeIds: ['id'],
  },
  DropHold: { ...common, kind: 'DropHold', attachment: held, heartbeat, epoch },
  UndoHold: {
    ...common,
    kind: 'UndoHold',
    attachment: { name: 'csi-1', uid: 'u' },
    heartbeat,
    pv: 'pv-2',
  },
};
