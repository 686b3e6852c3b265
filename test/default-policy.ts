import type { Policy } from '../src/controller-mode/policy.ts';

/** What the flags are by default, for cores that are made without them. */
export const defaultPolicy: Omit<Policy, 'driver' | 'namespace' | 'fence'> = {
  heartbeatIntervalMs: 2_000,
  lostAfterMs: 10_000,
  kubeletLostAfterMs: 30_000,
  unhealthyAfterMs: 30_000,
  gracefulTimeoutMs: 5_000,
  cooldownMs: 300_000,
  timeoutMs: 15_000,
  maxLostNodes: { percent: 30 },
  dryRun: false,
  nodeCondition: false,
  namespaces: [],
  leaderElection: true,
};
