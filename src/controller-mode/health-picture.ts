import type { Instant } from '../shared/clock.ts';
import type { HealthStatus } from '../shared/health.ts';
import { boundClaims } from './condition.ts';
import { overviewOf, ruleOf } from './scope.ts';
import type { State } from './state.ts';
import { isBadNow } from './trouble.ts';

/** A label for each claim in trouble costs whoever stores the metrics; no more than so many. */
const mostClaims = 1_000;

interface HealthPicture {
  /** Claims whose volume the storage finds in trouble, with its word. */
  readonly claims: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly status: HealthStatus;
  }[];
  /** How many volumes are bad on a node, by where the trouble lies. */
  readonly scopes: ReadonlyMap<string, number>;
  readonly known: number;
  readonly abnormal: number;
  readonly isMass: boolean;
}

/** What is known of the health of volumes, for the metrics. */
export function healthPicture(state: State, now: Instant): HealthPicture {
  const claims: HealthPicture['claims'][number][] = [];
  for (const [handle, { health }] of state.conditions) {
    if (health.status === 'Healthy') continue;
    for (const { claim } of boundClaims(state, handle)) {
      if (claims.length < mostClaims) claims.push({ ...claim, status: health.status });
    }
  }
  const scopes = new Map<string, number>();
  const overview = overviewOf(state, now);
  for (const node of state.troubledNodes) {
    for (const [handle, trouble] of state.memory.get(node)?.troubles ?? []) {
      if (!isBadNow(trouble)) continue;
      const { scope } = ruleOf(state, { node, handle }, now, overview);
      scopes.set(scope, (scopes.get(scope) ?? 0) + 1);
    }
  }
  const { known, abnormal, massSince } = state.storage;
  return { claims, scopes, known, abnormal, isMass: massSince !== undefined };
}
