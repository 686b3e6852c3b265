import type { Instant } from '../shared/clock.ts';
import { type SourceName, sourceNames } from './facts.ts';
import { defaultLeaseDurationMs, renewalsPerLease, watchBoundMs } from './policy.ts';
import type { State } from './state.ts';

/** Why our own view cannot be believed now. */
export interface Stale {
  readonly word: 'own-view-stale';
  readonly detail: string;
}

/**
 * Whether every watch that serves as evidence is whole and shows life within its bound. Silence
 * of others is only evidence while we can hear: a watch that is connected but delivers nothing
 * looks exactly like a dead cluster.
 */
export function staleView(state: State, now: Instant): Stale | undefined {
  for (const name of sourceNames) {
    const source = state.sources[name];
    if (!source.synced) return stale(`the watch of ${name} has not been complete yet`);
    if (source.lost) return stale(`the watch of ${name} is interrupted`);
    const boundMs = livenessBoundMs(state, name);
    if (now - source.aliveAt > boundMs) {
      return stale(`the watch of ${name} has shown no life for ${boundMs / 1000} s`);
    }
  }
  const { pendingRenewal, policy } = state;
  if (
    policy.leaderElection &&
    pendingRenewal !== undefined &&
    now - pendingRenewal.at > 2 * policy.heartbeatIntervalMs
  ) {
    return stale('our own Lease renewal has not come back through the watch');
  }
  return undefined;
}

/** When the view would become stale if nothing more arrived. */
export function staleAt(state: State): Instant {
  const { sources, pendingRenewal, policy } = state;
  let first = Number.POSITIVE_INFINITY;
  for (const name of sourceNames) {
    first = Math.min(first, sources[name].aliveAt + livenessBoundMs(state, name));
  }
  if (policy.leaderElection && pendingRenewal !== undefined) {
    first = Math.min(first, pendingRenewal.at + 2 * policy.heartbeatIntervalMs);
  }
  return first + 1;
}

/**
 * Every living kubelet renews once in an interval, so two of them without any event are too long.
 * Where all kubelets renew seldom, the quickest of them counts.
 */
export function livenessBoundMs(state: State, name: SourceName): number {
  if (name !== 'kubeletLeases') return watchBoundMs;
  let quickestMs = Number.POSITIVE_INFINITY;
  for (const { view } of state.kubeletLeases.values()) {
    quickestMs = Math.min(quickestMs, view.durationMs);
    // Quicker ones change nothing, and mostly the first is as quick as that.
    if (quickestMs <= defaultLeaseDurationMs) break;
  }
  const leaseMs = Number.isFinite(quickestMs) ? quickestMs : 0;
  return (2 * Math.max(leaseMs, defaultLeaseDurationMs)) / renewalsPerLease;
}

function stale(detail: string): Stale {
  return { word: 'own-view-stale', detail };
}
