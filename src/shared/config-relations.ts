import type { Config } from './config.ts';
import type { Flag } from './options.ts';
import type { Problem } from './parse-options.ts';

/** What must hold of an option beyond its own form, most often against another option. */
interface Relation {
  readonly flags: readonly [Flag, ...Flag[]];
  readonly holds: (config: Config) => boolean;
  readonly expected: string;
  readonly given: (config: Config) => string;
}

/** All relations that do not hold; those of an option that is faulty already are left out. */
export function relationProblems(config: Config, isFaulty: (flag: Flag) => boolean): Problem[] {
  return relations
    .filter((relation) => !relation.flags.some(isFaulty) && !relation.holds(config))
    .map(({ flags, expected, given }) => ({
      subject: `--${flags[0]}`,
      expected,
      given: given(config),
    }));
}

const relations: readonly Relation[] = [
  {
    flags: ['node-name', 'mode'],
    holds: (config) => config.mode !== 'node' || config.nodeName !== '',
    expected: 'the name of this node in node mode (or $NODE_NAME)',
    given: () => 'nothing',
  },
  atLeast('heartbeat-interval', 'heartbeatIntervalMs', 100),
  atLeast('timeout', 'timeoutMs', 1),
  atLeast('list-volumes-interval', 'listVolumesIntervalMs', 500),
  atLeast('leader-election-retry-period', 'leaderElectionRetryPeriodMs', 100),
  {
    flags: ['lost-after', 'heartbeat-interval'],
    holds: (config) => config.lostAfterMs >= 2 * config.heartbeatIntervalMs,
    // One missed renewal is a hiccup, not silence.
    expected: 'at least twice --heartbeat-interval',
    given: (config) => pair(config.lostAfterMs, config.heartbeatIntervalMs),
  },
  atLeast('kubelet-lost-after', 'kubeletLostAfterMs', 3000),
  {
    flags: ['kubelet-lost-after', 'lost-after'],
    holds: (config) => config.kubeletLostAfterMs > config.lostAfterMs,
    // While the agent still speaks, the kubelet's silence alone is the weaker evidence.
    expected: 'more than --lost-after',
    given: (config) => pair(config.kubeletLostAfterMs, config.lostAfterMs),
  },
  atLeast('health-interval', 'healthIntervalMs', 100),
  {
    flags: ['unhealthy-after', 'health-interval'],
    holds: (config) => config.unhealthyAfterMs >= 2 * config.healthIntervalMs,
    // What was seen once was not seen to last.
    expected: 'at least twice --health-interval',
    given: (config) => pair(config.unhealthyAfterMs, config.healthIntervalMs),
  },
  {
    flags: ['leader-election-namespace', 'namespace'],
    holds: (config) => config.leaderElectionNamespace === config.namespace,
    // Our own renewal must come back through the watch of the heartbeats, or that watch is deaf.
    expected: 'the same as --namespace',
    given: (config) => `${config.leaderElectionNamespace} beside ${config.namespace}`,
  },
  {
    flags: ['leader-election-lease-duration', 'leader-election-renew-deadline'],
    holds: (config) => config.leaderElectionLeaseDurationMs > config.leaderElectionRenewDeadlineMs,
    // Else another replica takes over while this one still believes that it leads.
    expected: 'more than --leader-election-renew-deadline',
    given: (config) =>
      pair(config.leaderElectionLeaseDurationMs, config.leaderElectionRenewDeadlineMs),
  },
  {
    flags: ['leader-election-renew-deadline', 'leader-election-retry-period'],
    holds: (config) => config.leaderElectionRenewDeadlineMs > config.leaderElectionRetryPeriodMs,
    // Else a single lost request ends the leadership.
    expected: 'more than --leader-election-retry-period',
    given: (config) =>
      pair(config.leaderElectionRenewDeadlineMs, config.leaderElectionRetryPeriodMs),
  },
  {
    flags: ['unsafe-move-without-fence', 'fence'],
    holds: (config) => !config.unsafeMoveWithoutFence || config.fence === 'none',
    expected: '--fence=none beside it, since any other fence is waited for',
    given: (config) => `--fence=${config.fence}`,
  },
  {
    flags: ['metrics-path'],
    holds: (config) => !/^\/(?:healthz(?:\/.*)?|readyz)$/.test(config.metricsPath),
    expected: 'a path that is not taken by /healthz or /readyz',
    given: (config) => config.metricsPath,
  },
];

type DurationField = {
  [Field in keyof Config]: Config[Field] extends number ? Field : never;
}[keyof Config];

function atLeast(flag: Flag, field: DurationField, leastMs: number): Relation {
  return {
    flags: [flag],
    holds: (config) => config[field] >= leastMs,
    expected: `at least ${seconds(leastMs)}`,
    given: (config) => seconds(config[field]),
  };
}

function seconds(durationMs: number): string {
  return durationMs < 1000 ? `${durationMs}ms` : `${durationMs / 1000}s`;
}

/** The value of an option, and that of the one it is measured against. */
function pair(valueMs: number, otherMs: number): string {
  return `${seconds(valueMs)} beside ${seconds(otherMs)}`;
}
