import type { Instant } from '../shared/clock.ts';
import { type VolumeHealth, isBad } from '../shared/health.ts';
import { uniqueVolumeName } from '../shared/model.ts';
import type { Outcome } from '../shared/outcome.ts';
import { readHealth } from './driver-dialect.ts';
import type { SaidHealth, StorageView } from './evidence.ts';
import type { HealthFact } from './facts.ts';
import type { State } from './state.ts';

/** What the storage's view of one volume comes to, as the rules of scope name it. */
export type StorageWord =
  | 'good'
  | 'bad'
  /** So many volumes are bad at once that the word on a single one means nothing. */
  | 'mass'
  /** The last attempt to ask failed. */
  | 'unreachable'
  /** Nobody has asked for too long. */
  | 'stale'
  | 'not-offered'
  /** Nobody has asked yet, or the answer had no word on it. */
  | 'unknown';

/** What is older is asked for again once a node finds a volume bad, before anything follows. */
const staleAfterMs = { list: 180_000, get: 900_000 } as const;
/** How long the answer to one question is taken for the present state. */
export const confirmedForMs = 10_000;
/** More than half of the volumes, if they are at least so many, or all of them. */
const massFrom = 3;

/** Answers whether the storage says something again that it could not be asked for before. */
export function observeHealth(state: State, fact: HealthFact): boolean {
  const before = state.storage.unread.size;
  fold(state, fact);
  return state.storage.unread.size < before;
}

function fold(state: State, fact: HealthFact): void {
  const { storage, policy } = state;
  const { beganAt } = fact;
  switch (fact.kind) {
    case 'HealthListed':
      for (const [handle, said] of fact.volumes) {
        const health = readHealth(policy.driver, 'controller', said);
        // Some drivers list volumes without a word and tell it when asked for one.
        if (health.status === 'Unknown' && storage.volumes.has(handle)) continue;
        hear(storage, handle, { health, by: 'driver', at: beganAt });
      }
      miss(state, fact.volumes, beganAt);
      return;
    case 'HealthRead':
      // Its PV may have gone while the driver was asked.
      if (!isBound(state, fact.handle)) return;
      hear(storage, fact.handle, {
        health: readHealth(policy.driver, 'controller', heard(fact)),
        by: 'driver',
        at: beganAt,
      });
      return;
    case 'HealthUnread':
      if (fact.handle === '' || isBound(state, fact.handle)) {
        storage.unread.set(fact.handle, beganAt);
      }
  }
}

function heard({ health }: Extract<HealthFact, { kind: 'HealthRead' }>): VolumeHealth {
  // Some drivers answer NOT_FOUND when they mean any error of their array.
  return health ?? { status: 'Unknown', reason: 'NotFound', message: 'no such volume' };
}

/** What came of asking for one volume right before acting; answers as `observeHealth` does. */
export function observeConfirmation(
  { storage }: State,
  handle: string,
  outcome: Outcome,
  now: Instant,
): boolean {
  const before = storage.unread.size;
  const said = (status: VolumeHealth['status'], reason = '', message = ''): void =>
    hear(storage, handle, { health: { status, reason, message }, by: 'driver', at: now });
  if (outcome.kind === 'Done') said('Healthy');
  else if (outcome.code === abnormalCode) said('Inaccessible', outcome.code, outcome.detail);
  else storage.unread.set(handle, now);
  return storage.unread.size < before;
}

/** The code of a `ConfirmHealth` that found the volume bad; every other failure is unknown. */
export const abnormalCode = 'VOLUME_ABNORMAL';

/**
 * What the status of its claims says of a volume. It is written when it changes, and not when
 * somebody looked: so a bad word counts until the driver is asked the next time, and a good one
 * only takes back a bad one of the same kind. Answers whether it says anything new.
 */
export function hearClaim(
  storage: StorageView,
  handle: string,
  word: VolumeHealth | undefined,
  now: Instant,
): boolean {
  const isAdverse = word !== undefined && word.status !== 'Healthy' && word.status !== 'Unknown';
  if (!isAdverse && storage.volumes.get(handle)?.by !== 'claim') return false;
  hear(storage, handle, { health: word ?? noWord, by: 'claim', at: now });
  return true;
}

const noWord: VolumeHealth = { status: 'Unknown', reason: 'NoWord', message: '' };

function hear(
  storage: StorageView,
  handle: string,
  { health, by, at }: Pick<SaidHealth, 'health' | 'by' | 'at'>,
): void {
  const before = storage.volumes.get(handle);
  // A listing takes a while: what was asked later is the younger word.
  if (before !== undefined && before.at > at) return;
  count(storage, before, -1);
  const knownBad = before?.wasBad === true;
  const wasBad = isAbnormal(health) || (knownBad && health.status === 'Unknown');
  const healedAt = knownBad && !wasBad ? at : before?.healedAt;
  const said = { health, by, at, missed: 0, wasBad, healedAt };
  count(storage, said, 1);
  storage.volumes.set(handle, said);
  if ((storage.unread.get(handle) ?? at) <= at) storage.unread.delete(handle);
}

function miss(state: State, listed: ReadonlyMap<string, VolumeHealth>, at: Instant): void {
  const { storage } = state;
  if ((storage.unread.get('') ?? at) <= at) storage.unread.delete('');
  for (const [handle, said] of storage.volumes) {
    if (listed.has(handle) || said.at > at) continue;
    storage.volumes.set(handle, { ...said, missed: said.missed + 1 });
    forgetUnbound(state, handle);
  }
}

function isBound(state: State, handle: string): boolean {
  return state.pvsByVolume.has(uniqueVolumeName(state.policy.driver, handle));
}

/** What no PV names any more matters to nobody; a listing brings it again if it is still there. */
export function forgetUnbound(state: State, handle: string): void {
  if (isBound(state, handle)) return;
  const { storage } = state;
  count(storage, storage.volumes.get(handle), -1);
  storage.volumes.delete(handle);
  storage.unread.delete(handle);
  storage.claimWords.delete(handle);
  state.conditions.delete(handle);
}

function count(storage: StorageView, said: SaidHealth | undefined, by: 1 | -1): void {
  if (said === undefined || said.health.status === 'Unknown') return;
  // Of claims only those in trouble have a word: all of them would always be most of them.
  if (said.by === 'claim') return;
  storage.known += by;
  if (isAbnormal(said.health)) storage.abnormal += by;
}

/** Nothing that another node would not find, too. `Degraded` is: it can be used. */
function isAbnormal(health: VolumeHealth): boolean {
  return isBad(health) || health.status === 'DataLoss';
}

/**
 * An outage of the storage's management makes every volume abnormal with drivers that pass its
 * errors on like that (dell/csm 1766, 1828, 1864).
 */
export function isMass({ known, abnormal }: StorageView): boolean {
  if (abnormal < 2) return false;
  return abnormal === known || (abnormal >= massFrom && 2 * abnormal > known);
}

export function storageWord(state: State, handle: string, now: Instant): StorageWord {
  const { storage } = state;
  const offered = state.capabilities?.health;
  if (offered === undefined) return 'unknown';
  const said = storage.volumes.get(handle);
  if (offered === 'none') return isBadByClaim(said) ? 'bad' : 'not-offered';
  if (isMass(storage)) return 'mass';
  const asked = offered === 'list' ? ['', handle] : [handle];
  if (asked.some((key) => isInVain(storage, key, said))) return 'unreachable';
  if (said === undefined || said.missed > 1) return 'unknown';
  const word = wordOf(said);
  return word !== 'unknown' && now - said.at > staleAfterMs[offered] ? 'stale' : word;
}

/** What the driver said itself, when it still had such a call, is of another life. */
function isBadByClaim(said: SaidHealth | undefined): boolean {
  return said?.by === 'claim' && wordOf(said) === 'bad';
}

/** A claim may have its good word from long ago. */
function wordOf({ health, by }: SaidHealth): 'good' | 'bad' | 'unknown' {
  if (isAbnormal(health)) return 'bad';
  return health.status === 'Unknown' || by === 'claim' ? 'unknown' : 'good';
}

/** It was asked for later than what we know, and nothing came. */
function isInVain({ unread }: StorageView, key: string, said: SaidHealth | undefined): boolean {
  const at = unread.get(key);
  return at !== undefined && (said === undefined || said.at < at);
}

/** The storage said moments ago that this volume is well. */
export function isVouchedFor(state: State, handle: string, now: Instant): boolean {
  const at = state.storage.volumes.get(handle)?.at ?? Number.NEGATIVE_INFINITY;
  return storageWord(state, handle, now) === 'good' && now - at <= confirmedForMs;
}
