/** The settings that decisions depend on, as plain values. Made from Config by the wiring. */
export interface Policy {
  /** CSI driver name; everything this instance does is about this driver only. */
  readonly driver: string;
  /** Where the heartbeat Leases stand. */
  readonly namespace: string;
  readonly heartbeatIntervalMs: number;
  readonly lostAfterMs: number;
  readonly kubeletLostAfterMs: number;
  /** How long a volume must be bad on one node before its pods move. */
  readonly unhealthyAfterMs: number;
  /** How long pods may end by themselves where the kubelet still works. */
  readonly gracefulTimeoutMs: number;
  readonly cooldownMs: number;
  /** The longest CSI call: what a predecessor may still have running when we take over. */
  readonly timeoutMs: number;
  readonly maxLostNodes: { readonly percent: number } | { readonly count: number };
  readonly dryRun: boolean;
  /** Whether nodes get a condition of ours. */
  readonly nodeCondition: boolean;
  /** Pods elsewhere are not moved; empty: wherever they are. */
  readonly namespaces: readonly string[];
  readonly fence: FencePolicy;
  /** False if leader election is off: then no renewal of ours can come back through the watch. */
  readonly leaderElection: boolean;
}

/** How the old node loses the volume; decided once at start from `--fence` and the driver table. */
export type FencePolicy =
  /** The hold; `claim` says in one sentence what the driver's unpublish does. */
  | { readonly kind: 'unpublish'; readonly claim: string }
  /** Nothing, and a person insisted to move nevertheless, see unsafe.ts. */
  | { readonly kind: 'unsafe' }
  /** Nothing that this version can do: `why` and what to set stand in the Event. */
  | { readonly kind: 'unfenceable'; readonly why: string };

/**
 * After the out-of-service taint went, its readers may act on a stale node for this long (k/k
 * 142331).
 */
export const outOfServiceLingerMs = 30_000;
/** The out-of-service taint never stands longer than this. */
export const outOfServiceCapMs = 5_000;
/** After that it is away for so long before it may be set again. */
export const outOfServiceRestMs = 2_000;
/**
 * An attempt of attach/detach to attach looks after half a second first, and fails on what is being
 * deleted (pkg/volume/csi/csi_attacher.go, initBackoff); the rest is for what its watch lags.
 */
export const attachAttemptMs = 2_000;
/** A driver that has not answered for so long makes its node unavailable. */
export const driverDownAfterMs = 60_000;
/** Sources other than Leases show life by bookmarks, about one a minute. */
export const watchBoundMs = 120_000;
/** kubelet renews its Lease every quarter of leaseDurationSeconds (pkg/kubelet/kubelet.go). */
export const renewalsPerLease = 4;
/** A holder that renews in time never pauses for longer than that. */
export function latestRenewalMs({ durationMs }: { readonly durationMs: number }): number {
  return (1.5 * durationMs) / renewalsPerLease;
}
/** Used when a kubelet Lease does not say its duration: the stock 40 s. */
export const defaultLeaseDurationMs = 40_000;

/** How many nodes of this driver may be in trouble at once before it is more likely our own. */
export function stormBound({ maxLostNodes }: Policy, nodes: number): number {
  if ('count' in maxLostNodes) return maxLostNodes.count;
  return Math.max(1, Math.round((nodes * maxLostNodes.percent) / 100));
}
