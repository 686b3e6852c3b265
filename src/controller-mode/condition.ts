import type { Instant } from '../shared/clock.ts';
import { type ClaimView, type PvView, uniqueVolumeName } from '../shared/model.ts';
import type { HealthFact } from './facts.ts';
import type { State } from './state.ts';
import { isMass } from './storage-view.ts';

/** How long an end of trouble is kept in mind: as long as its Event can be read by default. */
const keepMs = 3_600_000;
/** Single volumes are not named while more than these are bad in an outage of the management. */
const mostNamed = 10;

/** So many volumes are bad at once that a word on each would only be noise. */
export function isFlood({ storage }: State): boolean {
  return isMass(storage) && storage.abnormal > mostNamed;
}

/** To be called after the storage's view was brought up to date. O(1) for one volume. */
export function observeCondition(state: State, fact: HealthFact, now: Instant): void {
  observeMass(state, now);
  switch (fact.kind) {
    case 'HealthListed':
      for (const handle of fact.volumes.keys()) foldCondition(state, handle, now);
      for (const [handle, { health, since }] of state.conditions) {
        const isOld = health.status === 'Healthy' && now - since > keepMs;
        if (isOld || !state.storage.volumes.has(handle)) state.conditions.delete(handle);
      }
      return;
    case 'HealthRead':
      foldCondition(state, fact.handle, now);
      return;
    case 'HealthUnread':
  }
}

function observeMass({ storage }: State, now: Instant): void {
  const is = isMass(storage);
  if (is === (storage.massSince !== undefined)) return;
  if (!is) storage.massEndedAt = now;
  storage.massSince = is ? now : undefined;
}

/** What people are told of this volume follows what the storage's view has become. */
export function foldCondition(state: State, handle: string, now: Instant): void {
  const health = state.storage.volumes.get(handle)?.health;
  const before = state.conditions.get(handle);
  if (health === undefined || health.status === 'Unknown') return;
  const quiet = isFlood(state);
  if (health.status === 'Healthy') {
    if (before === undefined) return;
    if (before.quiet || quiet) state.conditions.delete(handle);
    else if (before.health.status !== 'Healthy') {
      state.conditions.set(handle, { health, since: now, quiet });
    }
    return;
  }
  if (health.status === before?.health.status && quiet === before.quiet) return;
  state.conditions.set(handle, { health, since: now, quiet });
}

/** Claims that name the PV back by which they are found: a PV of a deleted claim is nobody's. */
export function boundClaims(
  state: State,
  handle: string,
): readonly { readonly pv: PvView; readonly claim: ClaimView }[] {
  const pvs = state.pvsByVolume.get(uniqueVolumeName(state.policy.driver, handle));
  return [...(pvs?.values() ?? [])].flatMap((pv) => {
    const claim = state.claims.get(`${pv.claimNamespace}/${pv.claimName}`);
    return claim?.uid === pv.claimUid && claim.pv === pv.name ? [{ pv, claim }] : [];
  });
}
