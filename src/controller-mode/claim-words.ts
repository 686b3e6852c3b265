import type { Instant } from '../shared/clock.ts';
import { type VolumeHealth, worstHealth } from '../shared/health.ts';
import { boundClaims, foldCondition } from './condition.ts';
import type { State } from './state.ts';
import { hearClaim } from './storage-view.ts';

/**
 * What somebody wrote into the status of the claims of a volume (Kubernetes 1.37, gate
 * CSIVolumeHealth): the storage's view, as an external health monitor heard it. To be called when
 * one of the claims or its PV has changed; says nothing new if the word is the same.
 */
export function observeClaimWord(state: State, pvName: string, now: Instant): void {
  const pv = state.pvs.get(pvName);
  if (pv === undefined || pv.driver !== state.policy.driver || pv.handle === '') return;
  const { handle } = pv;
  const { claimWords } = state.storage;
  const before = claimWords.get(handle);
  const words = boundClaims(state, handle).flatMap(({ claim }) => claim.health ?? []);
  const word = words.length === 0 ? undefined : worstHealth(words);
  if (isSame(before, word)) return;
  if (word === undefined) claimWords.delete(handle);
  else claimWords.set(handle, word);
  const isHeard = hearClaim(state.storage, handle, word, now);
  if (!isHeard) return;
  // Nobody keeps the field any more: there is nothing to be told of it.
  if (word === undefined) state.conditions.delete(handle);
  else foldCondition(state, handle, now);
}

function isSame(one: VolumeHealth | undefined, other: VolumeHealth | undefined): boolean {
  return (
    one?.status === other?.status &&
    one?.reason === other?.reason &&
    one?.message === other?.message
  );
}
