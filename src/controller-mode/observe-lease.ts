import type { Instant } from '../shared/clock.ts';
import { type LeaseView, keyOf } from '../shared/model.ts';
import { fenceAnnotation, heartbeatLease, reportAnnotation } from '../shared/names.ts';
import {
  type FenceRecord,
  type NodeReport,
  bootIdOfHolder,
  decodeFenceRecord,
  decodeNodeReport,
} from '../shared/record.ts';
import type { SourceName } from './facts.ts';
import { observeRenewal } from './outage.ts';
import { latestRenewalMs } from './policy.ts';
import type { SeenLease } from './seen-lease.ts';
import type { NodeMemory } from './node-memory.ts';
import { type State, memoryOf } from './state.ts';
import { observeReport } from './trouble.ts';
import { allUsersOf } from './volumes.ts';

/**
 * A Lease of either source. Its clock starts when we see renewTime change, and goes on as long as
 * it does not; another uid is another Lease, whose first sight is no renewal.
 */
export function observeLease(
  state: State,
  source: SourceName,
  view: LeaseView,
  now: Instant,
): void {
  const leases = source === 'kubeletLeases' ? state.kubeletLeases : state.heartbeats;
  const key = keyOf(view);
  const before = leases.get(key);
  const seen = seenNow(state, before, view, now);
  if (before !== undefined && seen.renewals > before.renewals) {
    observeRenewal(state, source, before, now);
  }
  leases.set(key, seen);
  if (source !== 'heartbeats') return;
  if (view.name === state.leaderLease) observeOwnRenewal(state, view);
  else observeHeartbeat(state, seen, seen.renewedAt - (before?.renewedAt ?? now), now);
}

function seenNow(
  state: State,
  before: SeenLease | undefined,
  view: LeaseView,
  now: Instant,
): SeenLease {
  const report = reportIn(view, before);
  const record = recordIn(view, before);
  const isAsBefore = before?.view.holder === view.holder && before.record === record;
  const node = isAsBefore ? before.node : nodeOf(state, view, record);
  const said = { view, node, report, record };
  if (before?.view.uid !== view.uid) {
    return { ...said, renewedAt: now, renewals: 0, steadySince: now };
  }
  const { renewedAt, renewals } = before;
  if (before.view.renewTime === view.renewTime) {
    return { ...said, renewedAt, renewals, steadySince: before.steadySince };
  }
  const pauseMs = now - renewedAt;
  const steady = pauseMs <= latestRenewalMs(view);
  const steadySince = steady ? before.steadySince : now;
  return { ...said, renewedAt: now, renewals: renewals + 1, steadySince };
}

/** Most renewals say the same as the last one, so that comparing texts is enough. */
function reportIn(view: LeaseView, before: SeenLease | undefined): NodeReport | undefined {
  const text = view.annotations[reportAnnotation];
  if (before !== undefined && before.view.annotations[reportAnnotation] === text) {
    return before.report;
  }
  return decodeNodeReport(text);
}

function recordIn(view: LeaseView, before: SeenLease | undefined): FenceRecord | undefined {
  const text = view.annotations[fenceAnnotation];
  if (before !== undefined && before.view.annotations[fenceAnnotation] === text) {
    return before.record;
  }
  return decodeFenceRecord(text);
}

/**
 * The node of a heartbeat Lease: its name does not always say it. One that we wrote for a node
 * without an agent has no holder, but a record.
 */
function nodeOf(
  state: State,
  view: LeaseView,
  record: FenceRecord | undefined,
): string | undefined {
  const { driver } = state.policy;
  const isOf = (name: string): boolean => name !== '' && heartbeatLease(driver, name) === view.name;
  const holder = view.holder.slice(0, Math.max(0, view.holder.indexOf('/')));
  if (isOf(holder)) return holder;
  const recorded = record?.episode.slice(0, -record.epoch.length - 1) ?? '';
  return isOf(recorded) ? recorded : undefined;
}

/** `pauseMs`: for how long it had not been renewed before, if this is a renewal. */
function observeHeartbeat(state: State, seen: SeenLease, pauseMs: number, now: Instant): void {
  const { view, report, node } = seen;
  if (node === undefined) return;
  const memory = memoryOf(state, node);
  const bootId = bootIdOfHolder(view.holder);
  if (bootId !== '' && bootId !== memory.bootId) {
    if (memory.pastBootIds.has(bootId)) memory.duplicateSeenAt = now;
    if (memory.bootId !== '') memory.pastBootIds.add(memory.bootId);
    memory.bootId = bootId;
  }
  if (pauseMs >= state.policy.lostAfterMs) memory.heardSince = now;
  const word = report?.driver ?? 'ok';
  if (word === 'ok' || word === 'stopping') memory.driverBadSince = undefined;
  else memory.driverBadSince ??= now;
  observeReport(state, node, report, now);
  observeBystanders(state, node, seen.record);
  observeRecord(memory, seen.record, now);
}

/**
 * Pods that ran elsewhere before an episode, or that we find there when it is over, were moved by
 * nobody. Looked for only when the record has changed.
 */
function observeBystanders(state: State, node: string, record: FenceRecord | undefined): void {
  const memory = memoryOf(state, node);
  const isNew = record?.epoch !== memory.recordEpoch;
  if (isNew && memory.bystanders.size > 0) memory.bystanders.clear();
  if (record === undefined || (!isNew && record.volumes.length === memory.recordSize)) return;
  if (record.phase !== 'Intent' && !(isNew && record.phase === 'Moved')) return;
  // Of those that were listed already the replacement may run by now; new ones stand at the end.
  const added = isNew ? record.volumes : record.volumes.slice(memory.recordSize);
  const users = added.flatMap(({ pv }) => [...allUsersOf(state, pv)]);
  // One that waits for a node may be a replacement that was made early.
  const elsewhere = users.filter(({ nodeName }) => nodeName !== '' && nodeName !== node);
  for (const { uid } of elsewhere) memory.bystanders.add(uid);
}

/** With the Lease its record is gone, and an agent that renews it anew starts without one. */
export function observeHeartbeatGone(state: State, { node }: SeenLease, now: Instant): void {
  if (node === undefined) return;
  observeReport(state, node, undefined, now);
  const memory = memoryOf(state, node);
  memory.heartbeatGoneAt = now;
  observeRecord(memory, undefined, now);
}

/**
 * Deleted together with its Node, of which another watch tells, or by a person; a kubelet that
 * lives makes it again at its next renewal (component-helpers, apimachinery/lease).
 */
export function observeKubeletGone(state: State, { view }: SeenLease, now: Instant): void {
  const isKnown = state.nodes.has(view.name) || state.csinodes.has(view.name);
  if (isKnown) memoryOf(state, view.name).kubeletGoneAt = now;
}

function observeRecord(memory: NodeMemory, record: FenceRecord | undefined, now: Instant): void {
  const epoch = record?.epoch ?? '';
  const phase = record?.phase ?? '';
  // Only a record that got as far as Moved moved anything; a withdrawn one needs no cooldown.
  const isNews = memory.recordPhase !== 'Moved' || memory.recordEpoch !== epoch;
  if (phase === 'Moved' && isNews) memory.movedAt = now;
  if (epoch !== memory.recordEpoch) {
    memory.recordEpoch = epoch;
    memory.recordSeenAt = now;
    memory.revoked.clear();
    memory.unrevoked.clear();
    memory.joined.clear();
    memory.unmountDueAt.clear();
    memory.leftAt.clear();
    memory.letGo.clear();
  }
  if (record !== undefined) memory.begunAt = undefined;
  memory.recordPhase = phase;
  memory.recordSize = record?.volumes.length ?? 0;
}

/**
 * Leading is a fact; a renewal of ours must come back through the watch, or it is not to be
 * believed.
 */
export function observeLeadership(
  state: State,
  leading: boolean,
  renewal: string,
  now: Instant,
): void {
  if (leading && !state.leading) state.leadingSince = now;
  state.leading = leading;
  if (!leading) {
    state.pendingRenewal = undefined;
    state.shownAhead = 0;
    return;
  }
  const resourceVersion = Number(renewal);
  if (!Number.isFinite(resourceVersion) || resourceVersion === 0) return;
  const lease = state.heartbeats.get(`${state.policy.namespace}/${state.leaderLease}`);
  const shown = Number(lease?.view.resourceVersion ?? 0);
  forbidThePast(state, resourceVersion, shown);
  state.highestRenewal = resourceVersion;
  if (shown >= resourceVersion) return;
  state.pendingRenewal ??= { resourceVersion, at: now };
}

/**
 * A renewal that is older than what was there before it: etcd was restored from a backup. What we
 * know is of a time that the cluster has forgotten, and watches that go on from there are deaf
 * until its versions have caught up. Nothing of that can be mended bit by bit, so the process
 * ends and the next one begins with what there is, as after a restore everything should
 * (kubernetes.io, "Operating etcd clusters", restoring).
 */
function forbidThePast(state: State, renewal: number, shown: number): void {
  // Once the watch may have been quicker than the answer; what was sent after that is younger.
  const wasAhead = shown > renewal && state.shownAhead === shown;
  if (wasAhead || renewal < state.highestRenewal) {
    throw new Error(
      `the API went back in time: our own Lease had version ` +
        `${Math.max(shown, state.highestRenewal)} and has ${renewal} now; beginning anew`,
    );
  }
  state.shownAhead = shown > renewal ? shown : 0;
}

function observeOwnRenewal(state: State, view: LeaseView): void {
  const shown = Number(view.resourceVersion);
  if (state.pendingRenewal !== undefined && shown >= state.pendingRenewal.resourceVersion) {
    state.pendingRenewal = undefined;
  }
}
