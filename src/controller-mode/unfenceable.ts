import { type Hold, hold } from './hold.ts';
import type { State } from './state.ts';
import { isAttachless } from './volumes.ts';

/** Why nobody can take a volume of this driver away from a node; undefined: the hold can. */
export function unfenceable(state: State, nodeLives: boolean): Hold | undefined {
  const { fence, driver } = state.policy;
  // Whoever insists does so for nodes that are dead; this one is known to run the pod.
  if (fence.kind === 'unsafe' && !(nodeLives && isAttachless(state))) return undefined;
  if (fence.kind === 'unfenceable') return hold('unfenceable', fence.why);
  if (state.csidrivers.get(driver)?.attachRequired !== true) {
    return hold('unfenceable', `CSIDriver ${driver} is not there with attachRequired=true`);
  }
  return state.capabilities?.publishUnpublish === true
    ? undefined
    : hold('unfenceable', `driver ${driver} has not said that it can PUBLISH_UNPUBLISH_VOLUME`);
}
