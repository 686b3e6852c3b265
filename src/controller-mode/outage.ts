import type { Instant } from '../shared/clock.ts';
import type { SourceName } from './facts.ts';
import { latestRenewalMs, stormBound } from './policy.ts';
import { overviewOf } from './scope.ts';
import type { SeenLease } from './seen-lease.ts';
import type { State } from './state.ts';
import { switchValue } from './switches.ts';
import { isDead, verdictOf } from './verdict.ts';

/**
 * The end of an outage of all or of many: the silence of those who come back a moment later than
 * the first proves nothing, so all silences start again. Called before the renewal counts.
 */
export function observeRenewal(
  state: State,
  source: SourceName,
  before: SeenLease,
  now: Instant,
): void {
  const afterAll = source === 'heartbeats' && wereAllSilent(state, now);
  const isOutage = afterAll || (isReturn(state, source, before, now) && wereManySilent(state, now));
  if (!isOutage) return;
  state.sources.heartbeats.freshSince = now;
  state.sources.kubeletLeases.freshSince = now;
}

/**
 * Agents renew every few seconds, and so does the leader. When nobody at all has for a while, then
 * nobody could write (etcd without its quorum keeps the watches alive, and reads from caches).
 */
function wereAllSilent(state: State, now: Instant): boolean {
  const { renewalSeenAt, policy } = state;
  state.renewalSeenAt = now;
  return renewalSeenAt !== undefined && now - renewalSeenAt > 2 * policy.heartbeatIntervalMs;
}

/**
 * After as long a silence as makes a node lost. Where the API or a watch is slow many are late all
 * the time, and whoever began anew with each of them would never find anybody lost.
 */
function isReturn(
  { policy }: State,
  source: SourceName,
  { view, renewedAt }: SeenLease,
  now: Instant,
): boolean {
  const lostMs = source === 'heartbeats' ? policy.lostAfterMs : latestRenewalMs(view);
  return now - renewedAt > lostMs;
}

/**
 * More than the storm bound allows. Where they come back one after the other, the last would be
 * taken for lost as soon as they are few enough; and where now and then a write gets through, it is
 * never all who are silent.
 */
function wereManySilent(state: State, now: Instant): boolean {
  const { carriers, policy, returnSeenAt } = state;
  // When thousands come back, not each of them is worth a look at all the others.
  const hasLooked = now - returnSeenAt < policy.heartbeatIntervalMs / 4;
  // Whoever overrides the storm guard knows that they are really dead.
  if (hasLooked || switchValue(state, 'storm-override')) return false;
  state.returnSeenAt = now;
  const overview = overviewOf(state, now);
  const bound = stormBound(policy, carriers.size);
  let silent = 0;
  for (const name of carriers) {
    const verdict = verdictOf(state, name, now, overview);
    if (isDead(verdict) || verdict.kind === 'Suspect') silent += 1;
    if (silent > bound) return true;
  }
  return false;
}
