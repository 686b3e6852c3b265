import type { Instant } from '../shared/clock.ts';
import type { Decision } from '../shared/mode.ts';
import { decodeNodeReport, encodeNodeReport, type NodeReport } from '../shared/record.ts';
import { type Action, inspectMachine, renewHeartbeat, unmountVolume } from './actions.ts';
import { nextUnmount } from './cleaning.ts';
import { cleanliness, inspectionExpiresAt, newsOf, reportOf } from './report.ts';
import type { NodeState } from './state.ts';

/** Changed reports go out at once, but not faster than twice a second. */
const minimumGapMs = 500;

interface Wish {
  readonly action: Action | undefined;
  readonly wakeAt: Instant | undefined;
}

/**
 * Renews the heartbeat when it is due, and looks at the machine while a fence record asks whether
 * it is clean. Neither waits for the other: a mount table that hangs leaves the heartbeat alone.
 */
export function decide(state: NodeState, now: Instant): Decision<Action> {
  const actions: Action[] = [];
  let wakeAt = attestationEnd(state, now);
  for (const wish of [heartbeat(state, now), inspection(state, now), unmounting(state, now)]) {
    if (wish.action !== undefined) actions.push(wish.action);
    wakeAt = earlier(wakeAt, wish.wakeAt);
  }
  // Nothing to tell: what people should see of a node is the controller's to say.
  return { actions, notices: [], wakeAt };
}

const nothing: Wish = { action: undefined, wakeAt: undefined };

function heartbeat(state: NodeState, now: Instant): Wish {
  const report = reportOf(state, now);
  if (report === undefined) return nothing;
  const text = textOf(state, report);
  if (state.stopping && state.heartbeat.acknowledged === text) return nothing;
  const dueAt = renewalDueAt(state, text);
  if (now < dueAt) return { action: undefined, wakeAt: dueAt };
  const unclean = cleanliness(state, now);
  const action = renewHeartbeat(state.heartbeat.attempts, {
    bootId: report.bootId,
    report: text,
    uncleanBecause: unclean.kind === 'unclean' ? unclean.because : '',
    last: state.stopping,
    decidedAt: now,
  });
  return { action, wakeAt: undefined };
}

/** Mostly it says what it said last, which is sooner seen than written. */
function textOf(state: NodeState, report: NodeReport): string {
  const { written } = state;
  if (written !== undefined && isAlike(written.report, report)) return written.text;
  const text = encodeNodeReport(report);
  state.written = { report, text };
  return text;
}

function isAlike(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  if (one === null || other === null) return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  for (const key of keys) {
    if (!isAlike(one[key as keyof object], other[key as keyof object])) return false;
  }
  return true;
}

function renewalDueAt(state: NodeState, report: string): Instant {
  const { heartbeatIntervalMs } = state.settings;
  const { sentAt, result, acknowledged } = state.heartbeat;
  if (sentAt === undefined) return firstDueAt(state);
  const soon = sentAt + Math.min(minimumGapMs, heartbeatIntervalMs);
  const regular = sentAt + heartbeatIntervalMs;
  // Somebody wrote in between: read what, and write again.
  if (result === 'conflict') return soon;
  // No hurry for the others, or an API in trouble gets more requests than a healthy one.
  if (result === 'unanswered') return state.stopping ? soon : regular;
  if (report === acknowledged) return regular;
  if (state.stopping) return sentAt;
  // Compared as they are read: a long report is cut when it is written.
  const isNews = newsOf(decodeNodeReport(report)) !== newsOf(decodeNodeReport(acknowledged));
  return isNews ? soon : regular;
}

/**
 * The first renewal waits for the first word of the driver, so that a restart of this agent does
 * not look like trouble of the driver, but never longer than one interval.
 */
function firstDueAt(state: NodeState): Instant {
  const knowsEnough = state.driver !== undefined || state.stopping;
  return knowsEnough ? state.startedAt : state.startedAt + state.settings.heartbeatIntervalMs;
}

function inspection(state: NodeState, now: Instant): Wish {
  if (state.stopping || cleanliness(state, now).kind === 'not-asked') return nothing;
  const { attempts, endedAt } = state.inspections;
  const dueAt = endedAt === undefined ? now : endedAt + state.settings.heartbeatIntervalMs;
  if (now < dueAt) return { action: undefined, wakeAt: dueAt };
  return { action: inspectMachine(attempts), wakeAt: undefined };
}

/** Only beside a kubelet that works: it ends what is left of pods, and then unmounts by itself. */
function unmounting(state: NodeState, now: Instant): Wish {
  const { fence, cleaning, kubelet, driver, stopping } = state;
  const { okSince } = kubelet;
  if (stopping || fence === undefined || okSince === undefined || driver !== 'ok') return nothing;
  const next = nextUnmount(cleaning, okSince);
  if (next === undefined) return nothing;
  if (now < next.dueAt) return { action: undefined, wakeAt: next.dueAt };
  const content = { unmount: next.unmount, fence: fence.text };
  return { action: unmountVolume(cleaning.attempts, content), wakeAt: undefined };
}

function attestationEnd(state: NodeState, now: Instant): Instant | undefined {
  if (state.inspection === undefined || cleanliness(state, now).kind !== 'clean') return undefined;
  return inspectionExpiresAt(state, state.inspection.beganAt);
}

function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
