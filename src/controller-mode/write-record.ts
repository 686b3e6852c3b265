import type { Effect, JsonObject, Performance, Reply } from '../shared/effect.ts';
import { driverLabel, fenceAnnotation, fnv1a, reportAnnotation } from '../shared/names.ts';
import { type Outcome, done, failed, outcomeOfHttp } from '../shared/outcome.ts';
import {
  type FenceRecord,
  decodeFenceRecord,
  decodeNodeReport,
  encodeFenceRecord,
} from '../shared/record.ts';
import { asObject, textIn } from '../shared/untrusted-json.ts';
import type { ActionOf, AttachmentTarget, LeaseTarget } from './actions.ts';
import * as api from './requests.ts';
import { stillReports } from './trouble.ts';

/**
 * Begins an episode: looks once more, consistently, and then writes the record by compare-and-swap
 * on the very heartbeat Lease whose silence is the evidence. An agent that renews in between
 * changes its resourceVersion, and we have lost the race and look again. Where the evidence is
 * something else the agent may renew, as long as it does not contradict.
 */
export function* beginEpisode(action: ActionOf<'BeginEpisode'>, wallTime: string): Performance {
  const { heartbeat, node } = action;
  const objection = (yield* signOfLife(action)) ?? (yield* nothingToAdopt(action));
  if (objection !== undefined) return objection;
  const found = yield* api.get('leases', heartbeat);
  const absent = heartbeat.resourceVersion === '' && found.status === 404;
  if (found.status !== 200 && !absent) {
    return outcomeOfHttp(found.status, 'reading the heartbeat Lease');
  }
  if (!absent && contradicts(action, found.body)) {
    return failed('RENEWED', 'the heartbeat Lease has changed since it was observed');
  }
  if (recordIn(found.body) !== undefined) return failed('BEGUN', 'there is a record already');
  const resourceVersion = api.resourceVersionOf(found.body);
  const epoch = absent ? `0-${fnv1a(wallTime)}` : resourceVersion;
  const record: FenceRecord = {
    v: 1,
    epoch,
    episode: `${node}.${epoch}`,
    reason: action.reason,
    since: wallTime,
    bootId: action.bootId,
    phase: action.phase,
    volumes: action.volumes,
    ...(action.pods === undefined ? {} : { pods: action.pods }),
  };
  const annotations = { [fenceAnnotation]: encodeFenceRecord(record) };
  if (!absent) {
    const metadata = { resourceVersion, annotations };
    return yield* api.patch('leases', heartbeat, { metadata });
  }
  return yield* api.create('leases', heartbeat, leaseWith(heartbeat, annotations, action.driver));
}

/** Whether the heartbeat that was found speaks against the verdict. */
function contradicts(
  { heartbeat, renewed, driver, troubled = [] }: ActionOf<'BeginEpisode'>,
  found: JsonObject | undefined,
): boolean {
  if (api.resourceVersionOf(found) === heartbeat.resourceVersion || renewed === 'anything') {
    return false;
  }
  if (renewed === 'storage-lost') return !stillTroubled(found, driver, troubled, 'all');
  const report = decodeNodeReport(api.annotationsOf(found)[reportAnnotation]);
  return renewed === undefined || report?.kubelet !== 'dead';
}

/** Whether the report on this heartbeat Lease says of these volumes that they are bad. */
export function stillTroubled(
  lease: JsonObject | undefined,
  driver: string,
  handles: readonly string[],
  which: 'all' | 'any',
): boolean {
  const report = decodeNodeReport(api.annotationsOf(lease)[reportAnnotation]);
  if (report === undefined) return false;
  const troubled = handles.filter((handle) => stillReports(driver, report, handle));
  return troubled.length > 0 && (which === 'any' || troubled.length === handles.length);
}

/** A node that never had an agent has no heartbeat Lease yet; the record needs a place. */
function leaseWith(
  { namespace, name }: LeaseTarget,
  annotations: JsonObject,
  driver: string,
): JsonObject {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace, name, labels: { [driverLabel]: driver }, annotations },
    spec: {},
  };
}

/** What contradicts the verdict when it is read consistently; undefined: nothing does. */
function* signOfLife(
  action: ActionOf<'BeginEpisode'>,
): Generator<Effect, Outcome | undefined, Reply> {
  const { node, nodeUid, kubeletRenewTime } = action;
  if (kubeletRenewTime === undefined) return undefined;
  const kubelet = yield* api.get('leases', { namespace: 'kube-node-lease', name: node });
  if (kubelet.status !== 200 && kubelet.status !== 404) {
    return outcomeOfHttp(kubelet.status, 'reading the kubelet Lease');
  }
  const renewTime = textIn(asObject(kubelet.body?.spec)?.renewTime);
  if (kubelet.status === 200 && renewTime !== kubeletRenewTime) {
    return failed('RENEWED', 'the kubelet has renewed its Lease since it was observed');
  }
  if (nodeUid !== '') return undefined;
  const found = yield* api.get('nodes', { namespace: '', name: node });
  if (found.status === 404) return undefined;
  return found.status === 200
    ? failed('NODE_EXISTS', 'the Node object is there')
    : outcomeOfHttp(found.status, 'reading the Node');
}

/**
 * What our own view shows of a former episode may be over: its watches do not lag alike. A healthy
 * node must not be fenced for a taint that went together with its record.
 */
function* nothingToAdopt({
  adopts,
  node,
}: ActionOf<'BeginEpisode'>): Generator<Effect, Outcome | undefined, Reply> {
  if (adopts === undefined) return undefined;
  for (const { name, uid } of adopts.holds) {
    const found = yield* api.get('volumeattachments', { namespace: '', name });
    const stands = found.status === 200 && api.uidOf(found.body) === uid && api.isHeld(found.body);
    if (!stands) return failed('NOT_HELD', `no hold of ours stands on ${name}`);
  }
  if (adopts.holds.length > 0) return undefined;
  const found = yield* api.get('nodes', { namespace: '', name: node });
  const tainted = api.taintsOf(found.body).some(({ key }) => key === adopts.taint);
  return tainted ? undefined : failed('NOT_TAINTED', `the node does not carry ${adopts.taint}`);
}

/** Writes the next phase or more volumes, over the very record that was decided upon. */
export function* updateRecord(action: ActionOf<'UpdateRecord'>): Performance {
  const { heartbeat, unheld = [] } = action;
  let found = yield* api.get('leases', heartbeat);
  for (const target of unheld) {
    const why = notToReplace(found, action) ?? (yield* heldNow(target));
    if (why !== undefined) return why;
  }
  // Many reads take long, and an agent that lives renews meanwhile; only the record may not change.
  if (unheld.length > 0) found = yield* api.get('leases', heartbeat);
  const why = notToReplace(found, action);
  if (why !== undefined) return why;
  const metadata = {
    resourceVersion: api.resourceVersionOf(found.body),
    annotations: { [fenceAnnotation]: encodeFenceRecord(action.record) },
  };
  return yield* api.patch('leases', heartbeat, { metadata });
}

/** Why the record on this Lease is not written over; `Done`: it says that already. */
function notToReplace(found: api.Found, action: ActionOf<'UpdateRecord'>): Outcome | undefined {
  const { record } = action;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the heartbeat Lease');
  const current = recordIn(found.body);
  if (current?.epoch !== record.epoch) return failed('OTHER_EPOCH', 'the record is another one');
  if (current.phase === 'Released') {
    return record.phase === 'Released' ? done : failed('RELEASED', 'the record is closed');
  }
  const [is, was, next] = [current, action.from, record].map(encodeFenceRecord);
  if (is === next) return done;
  if (is !== was) return failed('CHANGED', 'the record has changed since it was observed');
  return undefined;
}

function* heldNow(target: AttachmentTarget): Generator<Effect, Outcome | undefined, Reply> {
  const found = yield* api.get('volumeattachments', { namespace: '', name: target.name });
  if (found.status === 404) return undefined;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the VolumeAttachment');
  const held = api.uidOf(found.body) === target.uid && api.isHeld(found.body);
  return held ? failed('HELD', `a hold stands on ${target.name}`) : undefined;
}

/** The last write of an episode; only after Released. */
export function* removeRecord(action: ActionOf<'RemoveRecord'>): Performance {
  const { heartbeat, epoch } = action;
  const found = yield* api.get('leases', heartbeat);
  if (found.status === 404) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the heartbeat Lease');
  const current = recordIn(found.body);
  if (current?.epoch !== epoch) return done;
  if (current.phase !== 'Released') return failed('NOT_RELEASED', `it is ${current.phase}`);
  // A taint without a record would be taken for a fence that nobody remembers.
  const node = yield* api.get('nodes', { namespace: '', name: action.node });
  if (node.status !== 200 && node.status !== 404) {
    return outcomeOfHttp(node.status, 'reading the Node');
  }
  if (api.taintsOf(node.body).some(({ key }) => key === action.taint)) {
    return failed('TAINTED', `the node still carries ${action.taint}`);
  }
  const metadata = {
    resourceVersion: api.resourceVersionOf(found.body),
    annotations: { [fenceAnnotation]: null },
  };
  return yield* api.patch('leases', heartbeat, { metadata });
}

/**
 * The precondition of every destructive step: the record stands, with this epoch and in one of
 * these phases, by a consistent read right now. Undefined: it does; else why not.
 */
export function* standingRecord(
  heartbeat: LeaseTarget,
  epoch: string,
  phases: readonly FenceRecord['phase'][],
): Generator<Effect, Outcome | undefined, Reply> {
  return standingIn(yield* api.get('leases', heartbeat), epoch, phases);
}

/** The same of a Lease that was just read. */
export function standingIn(
  found: api.Found,
  epoch: string,
  phases: readonly FenceRecord['phase'][],
): Outcome | undefined {
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the fence record');
  const record = recordIn(found.body);
  if (record?.epoch !== epoch) return failed('OTHER_EPOCH', 'the fence record is another one');
  return phases.includes(record.phase)
    ? undefined
    : failed('OTHER_PHASE', `the fence record is ${record.phase}`);
}

/** The record on a Lease as the API returned it. */
export function recordIn(body: JsonObject | undefined): FenceRecord | undefined {
  return decodeFenceRecord(api.annotationsOf(body)[fenceAnnotation]);
}
