/** How long a hundred pods may take more than one, and why. */

/** A client-side limit of requests: so many at once, and so many a second on the long run. */
export interface Limit {
  readonly burst: number;
  readonly perSecond: number;
}

/** `--kube-api-burst` and `--kube-api-qps` of csi-failover. */
export const ourLimit: Limit = { burst: 100, perSecond: 50 };

/** external-attacher's own default of the same flags (cmd/csi-attacher/main.go). */
export const attacherLimit: Limit = { burst: 10, perSecond: 5 };

/** kube-controller-manager's own default of them (cmd/kube-controller-manager/app/options). */
export const attachDetachLimit: Limit = { burst: 30, perSecond: 20 };

/**
 * What a pod with one volume costs us: its intent (1), the hold (finalizer, deletion), the eviction
 * (pod and hold read, status, deletion), dropping the hold (1), and one consistent read of the
 * fence record: before each of these it is read, and before some the CSINode, but actions that wait
 * together share that.
 */
export const requestsPerPod = 9;

/** What an episode costs us once: the fence record and its phases, and the taints. */
export const requestsPerEpisode = 120;

/** The attacher writes the status of a VolumeAttachment and then takes its finalizer off. */
const attacherRequestsPerDetach = 2;

/** Attach/detach deletes the old VolumeAttachment, and creates the new one in between. */
const attachDetachRequestsPerPod = 2;

export interface Load {
  readonly pods: number;
  /** Seconds that one pod takes under the same settings. */
  readonly onePod: number;
  readonly client: Limit;
  readonly attacher: Limit;
  /** Default: none that would explain anything. */
  readonly attachDetach?: Limit;
}

/**
 * Seconds that may pass from the first destructive action until the last old VolumeAttachment is
 * gone: three times what one pod takes, and what the client limits explain.
 */
export function detachBound({ pods, onePod, client, attacher, attachDetach }: Load): number {
  const ours = waiting(requestsPerPod * pods + requestsPerEpisode, client);
  const theirs = waiting(attacherRequestsPerDetach * pods, attacher);
  const kubernetes =
    attachDetach === undefined ? 0 : waiting(attachDetachRequestsPerPod * pods, attachDetach);
  return 3 * onePod + ours + theirs + kubernetes;
}

/** How long the last of so many requests is held back by a limit that had filled up before. */
function waiting(requests: number, { burst, perSecond }: Limit): number {
  return Math.max(0, requests - burst) / perSecond;
}
