import { standsForAll } from '../shared/adopted.ts';
import type { Instant } from '../shared/clock.ts';
import type { Outcome } from '../shared/outcome.ts';
import { decodeFenceRecord, type FenceRecord, type NodeReport } from '../shared/record.ts';
import type { Action } from './actions.ts';
import { type DriverPaths, type LeftOver, leftOversOf } from './clean.ts';
import {
  type CleaningHistory,
  createCleaning,
  forgetCleaning,
  noteCleaning,
  noteTry,
} from './cleaning.ts';
import type {
  DriverAnswer,
  DriverWord,
  Fact,
  HeartbeatAcknowledged,
  KubeletHealth,
  MachineInspected,
  VolumesFound,
} from './facts.ts';
import { cleaningOf, runningLeft } from './unmount.ts';
import {
  createVolumeViews,
  forgetDriverWords,
  forgetOwnWords,
  keepVolumes,
  noteAnswer,
  noteLook,
  type VolumeViews,
} from './volume-views.ts';

export interface NodeSettings extends DriverPaths {
  readonly heartbeatIntervalMs: number;
  /** Whether we look at volumes ourselves. */
  readonly localProbes: boolean;
}

/** What this agent knows of its machine. Lost with the process; losing it only delays. */
export interface NodeState {
  readonly settings: NodeSettings;
  readonly startedAt: Instant;
  /** Undefined until it was read: without it nobody could tell two lives of the machine apart. */
  bootId: string | undefined;
  /** Undefined until the first probe ended. */
  driver: DriverWord | undefined;
  nodeId: string;
  kubelet: KubeletHistory;
  readonly views: VolumeViews;
  heartbeat: HeartbeatHistory;
  fence: Fence | undefined;
  inspection: Inspection | undefined;
  inspections: InspectionHistory;
  readonly cleaning: CleaningHistory;
  stopping: boolean;
  /** The report that was written last, whether or not it was sent. */
  written: { readonly report: NodeReport; readonly text: string } | undefined;
}

export interface KubeletHistory {
  /** An address that never answered proves nothing: it may simply be the wrong one. */
  seenOk: boolean;
  deadInARow: number;
  /** From when on it answered every time; undefined: last time it did not. */
  okSince: Instant | undefined;
}

export interface HeartbeatHistory {
  attempts: number;
  /** When the last finished attempt was decided. */
  sentAt: Instant | undefined;
  result: 'acknowledged' | 'conflict' | 'unanswered';
  /** The last report that the API acknowledged, encoded. */
  acknowledged: string | undefined;
}

/** The fence record on our Lease, as the last acknowledged renewal found it. */
export interface Fence {
  /** As it was written: any change at all makes earlier looks at the machine worthless. */
  readonly text: string;
  readonly record: FenceRecord;
  /** Only what was read from the machine after this moment counts. */
  readonly knownSince: Instant;
}

/** One complete look at the machine, judged against the fence record of that moment. */
export interface Inspection {
  readonly beganAt: Instant;
  readonly leftOvers: readonly LeftOver[];
}

export interface InspectionHistory {
  attempts: number;
  endedAt: Instant | undefined;
  /** Why the last one told nothing; empty if it did. */
  failure: string;
}

export function createState(settings: NodeSettings, now: Instant): NodeState {
  return {
    settings,
    startedAt: now,
    bootId: undefined,
    driver: undefined,
    nodeId: '',
    kubelet: { seenOk: false, deadInARow: 0, okSince: undefined },
    views: createVolumeViews(settings.localProbes),
    heartbeat: { attempts: 0, sentAt: undefined, result: 'unanswered', acknowledged: undefined },
    fence: undefined,
    inspection: undefined,
    inspections: { attempts: 0, endedAt: undefined, failure: '' },
    cleaning: createCleaning(),
    stopping: false,
    written: undefined,
  };
}

/** Folds one fact into the state, in place. Decides nothing. */
export function observe(state: NodeState, fact: Fact, now: Instant): void {
  switch (fact.kind) {
    case 'DriverProbed':
      state.driver = fact.word;
      state.nodeId = fact.nodeId ?? state.nodeId;
      if (fact.word !== 'ok') forgetDriverWords(state.views, now);
      return;
    case 'KubeletProbed':
      return countKubelet(state.kubelet, fact.health, now);
    case 'BootIdRead':
      state.bootId = fact.bootId;
      return;
    case 'VolumesFound':
      return found(state, fact, now);
    case 'VolumesUnread':
      return forgetDriverWords(state.views, now);
    case 'VolumeAsked':
      return hear(state, fact, now);
    case 'StorageAsked':
      if (state.driver === 'ok') state.views.storage = fact.storage;
      return;
    case 'VolumeLookedAt':
      return noteLook(state.views, fact, now);
    case 'OwnLooksFailed':
      return forgetOwnWords(state.views, now);
    case 'MachineInspected':
      return judge(state, fact, now);
    case 'HeartbeatAcknowledged':
      return acknowledge(state, fact, now);
    case 'Stopping':
      state.stopping = true;
      return;
    case 'Settled':
      return settle(state, fact.action, { outcome: fact.outcome, now });
    case 'Suspended':
      return startOver(state, now);
  }
}

/** Only an unbroken row of failures counts, and `unknown` breaks it. */
function countKubelet(kubelet: KubeletHistory, health: KubeletHealth, now: Instant): void {
  kubelet.deadInARow = health === 'dead' ? kubelet.deadInARow + 1 : 0;
  kubelet.seenOk ||= health === 'ok';
  kubelet.okSince = health === 'ok' ? (kubelet.okSince ?? now) : undefined;
}

function found({ views }: NodeState, { handles, offered }: VolumesFound, now: Instant): void {
  keepVolumes(views, handles);
  if (offered === undefined) return forgetDriverWords(views, now);
  if (views.askedOfDriver && !offered) forgetDriverWords(views, now);
  views.askedOfDriver = offered;
}

/** Silence of a driver that answers nobody is the driver's; what it then says late is old. */
function hear(
  state: NodeState,
  fact: { readonly handle: string; readonly answer: DriverAnswer },
  now: Instant,
): void {
  if (state.driver === 'ok') noteAnswer(state.views, fact, now);
}

function judge(state: NodeState, fact: MachineInspected, now: Instant): void {
  const { fence } = state;
  if (fence === undefined || fact.beganAt < fence.knownSince) return;
  const fenced = standsForAll(fence.record) ? [] : fence.record.volumes;
  const leftOvers = [
    ...leftOversOf(fenced, fact, state.settings),
    ...runningLeft(fence.record, fact),
  ];
  state.inspection = { beganAt: fact.beganAt, leftOvers };
  noteCleaning(state.cleaning, cleaningOf(fence.record, fact, state.settings), now);
}

function acknowledge(state: NodeState, fact: HeartbeatAcknowledged, now: Instant): void {
  state.heartbeat.acknowledged = fact.report;
  if (fact.fence === state.fence?.text) return;
  const record = decodeFenceRecord(fact.fence);
  const { fence: text } = fact;
  state.fence =
    text === undefined || record === undefined ? undefined : { text, record, knownSince: now };
  forgetInspections(state);
}

function settle(
  state: NodeState,
  action: Action,
  end: { readonly outcome: Outcome; readonly now: Instant },
): void {
  switch (action.kind) {
    case 'RenewHeartbeat':
      state.heartbeat.attempts += 1;
      state.heartbeat.sentAt = action.decidedAt;
      state.heartbeat.result = resultOf(end.outcome);
      return;
    case 'InspectMachine':
      state.inspections.attempts += 1;
      state.inspections.endedAt = end.now;
      state.inspections.failure = end.outcome.kind === 'Done' ? '' : end.outcome.detail;
      // What could not be read is unknown, and unknown takes an earlier attestation back.
      if (end.outcome.kind !== 'Done') forgetWhatWasSeen(state);
      return;
    case 'UnmountVolume':
      return noteTry(state.cleaning, action.unmount, end.now);
  }
}

function resultOf(outcome: Outcome): HeartbeatHistory['result'] {
  if (outcome.kind === 'Done') return 'acknowledged';
  return outcome.code === 'HTTP_409' ? 'conflict' : 'unanswered';
}

/** After a time in which we did not run, whatever we saw before it may be long untrue. */
function startOver(state: NodeState, now: Instant): void {
  state.kubelet.deadInARow = 0;
  forgetDriverWords(state.views, now);
  forgetOwnWords(state.views, now);
  if (state.fence !== undefined) state.fence = { ...state.fence, knownSince: now };
  forgetInspections(state);
}

function forgetInspections(state: NodeState): void {
  forgetWhatWasSeen(state);
  state.inspections.endedAt = undefined;
  state.inspections.failure = '';
}

function forgetWhatWasSeen(state: NodeState): void {
  state.inspection = undefined;
  forgetCleaning(state.cleaning);
}
