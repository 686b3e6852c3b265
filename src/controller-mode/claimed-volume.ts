import type { PodView } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';
import type { ClaimedVolume, PodVolumes } from './pod-volumes.ts';
import type { State } from './state.ts';

/**
 * Decisions ask for it many times for each pod, and it changes with the pod, its claims and their
 * PVs only: `indices.ts` forgets it then, and keeps an entry for the pods that there are.
 */
export function volumesOf(state: State, pod: PodView): PodVolumes {
  const known = state.podVolumes.get(pod);
  if (known !== undefined) return known;
  const volumes = resolve(state, pod);
  if (state.podVolumes.has(pod)) state.podVolumes.set(pod, volumes);
  return volumes;
}

function resolve(state: State, pod: PodView): PodVolumes {
  const claimed: ClaimedVolume[] = [];
  const ours = new Map<string, FencedVolume>();
  for (const volume of pod.volumes) {
    if (volume.kind !== 'claim') continue;
    const one = claimedVolume(state, pod.namespace, volume);
    claimed.push(one);
    if (one.kind === 'ours') ours.set(one.pv.name, { handle: one.pv.handle, pv: one.pv.name });
  }
  return { claimed, ours: [...ours.values()] };
}

/**
 * claimRef's uid must be the claim's and the claim must name the PV back: a stale PV of a deleted
 * claim would make us fence somebody else's volume.
 */
function claimedVolume(
  state: State,
  namespace: string,
  volume: { readonly claim: string; readonly readOnly: boolean },
): ClaimedVolume {
  const claim = state.claims.get(`${namespace}/${volume.claim}`);
  const pv = claim === undefined ? undefined : state.pvs.get(claim.pv);
  const bound =
    claim !== undefined &&
    pv !== undefined &&
    pv.claimUid === claim.uid &&
    pv.claimName === claim.name &&
    pv.claimNamespace === claim.namespace;
  if (!bound) return { kind: 'unresolved', claim: volume.claim };
  if (pv.driver === state.policy.driver) return { kind: 'ours', claim: volume.claim, pv };
  return pv.driver === ''
    ? { kind: 'not-csi', claim: volume.claim, pv, readOnly: volume.readOnly }
    : { kind: 'other-driver', claim: volume.claim, pv };
}
