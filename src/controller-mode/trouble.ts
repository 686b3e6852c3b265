import type { Instant } from '../shared/clock.ts';
import { type VolumeHealth, isBad } from '../shared/health.ts';
import type { NodeReport } from '../shared/record.ts';
import { readHealth } from './driver-dialect.ts';
import type { Trouble } from './evidence.ts';
import { firstHeard } from './heard.ts';
import type { NodeMemory } from './node-memory.ts';
import { stormBound } from './policy.ts';
import { type State, memoryOf } from './state.ts';

/** Trouble that nobody reports any more is over after that, if somebody sees that all is well. */
export const calmAfterMs = 10_000;
/** A volume that turns bad so often within so long is not to be decided upon. */
export const flapping = { turns: 4, withinMs: 600_000 } as const;
/** No node has so many volumes; whoever reports more must not fill our memory. */
const mostTroubles = 1_000;

/** Folds what a report says into what is remembered of the node. */
export function observeReport(
  state: State,
  node: string,
  report: NodeReport | undefined,
  now: Instant,
): void {
  const memory = memoryOf(state, node);
  // Most renewals say the same as the last one.
  if (memory.report === report) {
    crowdGoesOn(state, node, now);
    return;
  }
  memory.report = report;
  const healed = observeVolumes(state, memory, report, now);
  for (const handle of healed) startAnewElsewhere(state, handle, now);
  memory.storage = followed(memory.storage, storageHealth(report), now);
  memory.most = followed(memory.most, countedHealth(report), now);
  const isTroubled = [...memory.troubles.values()].some(isBadNow) || isBadNow(memory.storage);
  if (isCrowded(state)) state.crowdedAt = now;
  mark(state.troubledNodes, node, isTroubled);
  if (isCrowded(state)) state.crowdedAt = now;
  mark(state.seeingNodes, node, (report?.volumes?.good ?? 0) > 0);
  const wereDoubtful = areDoubtful(state) && state.unsureNodes.has(node);
  mark(state.unsureNodes, node, isUnsure(report));
  if (wereDoubtful && !state.unsureNodes.has(node)) state.crowdedAt = now;
}

function observeVolumes(
  { policy }: State,
  { troubles }: NodeMemory,
  report: NodeReport | undefined,
  now: Instant,
): readonly string[] {
  const healed: string[] = [];
  const named = new Set<string>();
  for (const { handle, ...said } of report?.unhealthy ?? []) {
    named.add(handle);
    const health = readHealth(policy.driver, 'node', said);
    const known = troubles.get(handle);
    if (known !== undefined) goOn(known, health, now);
    else if (troubles.size < mostTroubles) troubles.set(handle, begun(health, now));
  }
  const keepMs = Math.max(flapping.withinMs, policy.cooldownMs);
  for (const [handle, trouble] of troubles) {
    if (named.has(handle)) continue;
    if (isBadNow(trouble)) healed.push(handle);
    trouble.goneAt ??= now;
    if (now - trouble.goneAt > keepMs) troubles.delete(handle);
  }
  return healed;
}

/**
 * What several nodes have had is not any node's own, and the last of them to get well would look as
 * if it were: from when it is alone with it, it must last anew.
 */
function startAnewElsewhere(state: State, handle: string, now: Instant): void {
  for (const node of state.troubledNodes) {
    const trouble = memoryOf(state, node).troubles.get(handle);
    if (isBadNow(trouble)) trouble.steadySince = now;
  }
}

/** The same for the storage as a whole, whoever is not heard any more included. */
function isCrowded({ troubledNodes, carriers, policy }: State): boolean {
  return troubledNodes.size > stormBound(policy, carriers.size);
}

/**
 * They say the same as before, and the trouble of many is theirs together until the last moment at
 * which so many were heard: when one falls silent then, the others have no trouble of their own.
 */
function crowdGoesOn(state: State, node: string, now: Instant): void {
  const { troubledNodes, carriers, policy } = state;
  const bound = stormBound(policy, carriers.size);
  // Looked at not for each of thousands of renewals.
  if (!isCrowded(state) || !troubledNodes.has(node)) return;
  if (now - state.crowdedAt < policy.heartbeatIntervalMs / 4) return;
  if (firstHeard(state, troubledNodes, bound + 1, now).length > bound) state.crowdedAt = now;
}

/**
 * So many have trouble or cannot tell that whoever has any may have the trouble of all: drivers
 * that wait for their storage's management answer one call with an error and another with
 * "abnormal". Some drivers never can tell, so this alone holds nothing back: only its end makes
 * trouble begin anew, or that the storage answers again meanwhile.
 */
function areDoubtful({ troubledNodes, unsureNodes, carriers, policy }: State): boolean {
  if (unsureNodes.size === 0) return false;
  return troubledNodes.union(unsureNodes).size > stormBound(policy, carriers.size);
}

function isUnsure(report: NodeReport | undefined): boolean {
  const { good = 0, bad = 0, unknown = 0 } = report?.volumes ?? {};
  return unknown > good + bad;
}

/** The storage has answered, and could not be asked before. */
export function observeAnswerAgain(state: State, at: Instant): void {
  if (areDoubtful(state)) state.crowdedAt = Math.max(state.crowdedAt, at);
}

/** Trouble of the whole node; `health` is undefined while there is none. */
function followed(
  before: Trouble | undefined,
  health: VolumeHealth | undefined,
  now: Instant,
): Trouble | undefined {
  if (health === undefined) {
    if (before !== undefined) before.goneAt ??= now;
    return before;
  }
  if (before === undefined) return begun(health, now);
  goOn(before, health, now);
  return before;
}

function storageHealth(report: NodeReport | undefined): VolumeHealth | undefined {
  if (report?.storage?.status !== 'unreachable') return undefined;
  const { reason, message } = report.storage;
  return { status: 'Inaccessible', reason, message };
}

function countedHealth(report: NodeReport | undefined): VolumeHealth | undefined {
  const { good = 0, bad = 0, unknown = 0 } = report?.volumes ?? {};
  if (bad < 2 || 2 * bad <= good + bad + unknown) return undefined;
  const message = `${bad} of ${good + bad + unknown} volumes are bad`;
  return { status: 'Inaccessible', reason: 'MostVolumes', message };
}

function begun(health: VolumeHealth, now: Instant): Trouble {
  const turns = isBad(health) ? [now] : [];
  return { health, since: now, steadySince: now, goneAt: undefined, turns };
}

function goOn(trouble: Trouble, health: VolumeHealth, now: Instant): void {
  const returns = trouble.goneAt !== undefined;
  if (trouble.goneAt !== undefined && now - trouble.goneAt >= calmAfterMs) trouble.since = now;
  if (returns || isBad(health) !== isBad(trouble.health)) {
    trouble.steadySince = now;
    if (isBad(health)) trouble.turns = [...trouble.turns, now].slice(-flapping.turns);
  }
  trouble.goneAt = undefined;
  trouble.health = health;
}

/** The report names it now, and it is of the kind that keeps a pod from its data. */
export function isBadNow(trouble: Trouble | undefined): trouble is Trouble {
  return trouble !== undefined && trouble.goneAt === undefined && isBad(trouble.health);
}

/**
 * The trouble that the node has with this volume. A node that has lost its way to the storage and
 * sees no volume that is well has it with all of them: a report has room for few.
 */
export function troubleWith(memory: NodeMemory, handle: string): Trouble | undefined {
  const own = memory.troubles.get(handle);
  if (own !== undefined && own.goneAt === undefined) return own;
  const seesNone = (memory.report?.volumes?.good ?? 0) === 0;
  return isBadNow(memory.storage) && seesNone ? memory.storage : own;
}

/** Whether a report, as it was just read, still says what an episode is to be begun upon. */
export function stillReports(driver: string, report: NodeReport, handle: string): boolean {
  if (report.driver !== 'ok') return false;
  const named = report.unhealthy.find((volume) => volume.handle === handle);
  if (named !== undefined) return isBad(readHealth(driver, 'node', named));
  return report.storage?.status === 'unreachable' && (report.volumes?.good ?? 0) === 0;
}

/** It came and went so often that nobody knows what it will do next; until when that holds. */
export function flapsUntil({ turns }: Trouble, now: Instant): Instant | undefined {
  const [first] = turns;
  if (first === undefined || turns.length < flapping.turns) return undefined;
  const until = first + flapping.withinMs;
  return now < until ? until : undefined;
}

/**
 * It does not keep anybody from the data any more: for a while already, and somebody has looked
 * and found the storage well; or there has been nothing to see for a long time.
 */
export function isOver(
  { policy, sources }: State,
  { report }: NodeMemory,
  trouble: Trouble,
  now: Instant,
): boolean {
  const { freshSince } = sources.heartbeats;
  const { goneAt, health, steadySince } = trouble;
  if (goneAt === undefined) {
    const isUsable = health.status === 'Degraded' || health.status === 'DataLoss';
    return isUsable && now - Math.max(steadySince, freshSince) >= calmAfterMs;
  }
  // A gap in our view begins the short wait anew; if it did the long one, too, a view with a gap
  // every few minutes would keep a taint for ever.
  if (now - Math.max(goneAt, freshSince) < calmAfterMs) return false;
  return seesGood(report) || now - goneAt >= policy.cooldownMs;
}

/** When `isOver` may change by time alone. */
export function overAt({ policy, sources }: State, trouble: Trouble): Instant[] {
  const from = trouble.goneAt ?? trouble.steadySince;
  const calmAt = Math.max(from, sources.heartbeats.freshSince) + calmAfterMs;
  return [calmAt, Math.max(calmAt, from + policy.cooldownMs)];
}

/** The agent lists every bad volume that it counts, and something it has seen is well. */
function seesGood(report: NodeReport | undefined): boolean {
  if (report?.driver !== 'ok') return false;
  const { good = 0, bad = 0 } = report.volumes ?? {};
  if (bad > report.unhealthy.filter(isBad).length) return false;
  return good > 0 || report.storage?.status === 'ok';
}

function mark(set: Set<string>, node: string, is: boolean): void {
  if (is) set.add(node);
  else set.delete(node);
}
