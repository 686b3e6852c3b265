import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { goCodeName } from './go-code-name.ts';
import { createHealthMetrics, type HealthMetrics, replace } from './health-metrics.ts';

/**
 * Everything that we measure. Labels are bounded: nodes, verdicts, guards, phases and methods; of
 * pods only the labelled ones, of claims only those in trouble and not more than a thousand.
 */
export interface Metrics extends HealthMetrics {
  /** One CSI call ended. `code` is the gRPC status code; undefined if there was none. */
  csiOperation(call: CsiOperation): void;
  /** The complete picture: how many nodes carry each verdict. */
  setVerdicts(nodesByVerdict: ReadonlyMap<string, number>): void;
  /** The complete picture: how many pods are held back by each guard. */
  setHolds(podsByGuard: ReadonlyMap<string, number>): void;
  /** The complete picture: seconds since we saw each node's heartbeat change. */
  setHeartbeatAges(secondsByNode: ReadonlyMap<string, number>): void;
  /** An episode came to this end: `moved`, `released`, `withdrawn`, ... */
  episodeEnded(result: string): void;
  /** A step of an episode, from the moment it was wanted to the moment its effect was observed. */
  phaseTook(phase: string, seconds: number): void;
  /** The complete picture: labelled pods, and why they would stay; empty: they would be moved. */
  setProtection(
    pods: readonly { readonly namespace: string; readonly name: string; readonly reason: string }[],
  ): void;
  setEventLoopLag(seconds: number): void;
  /** Helpers that were killed and do not end: each waits in the kernel for a volume that hangs. */
  setStuckLooks(count: number): void;
  /** Called before each rendering, to bring gauges up to date only when somebody looks. */
  onScrape(refresh: () => void): void;
  /** The text exposition, and the content type to serve it with. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface CsiOperation {
  readonly driver: string;
  /** In full, as on the wire: `/csi.v1.Node/NodeGetVolumeStats`. */
  readonly method: string;
  readonly code: number | undefined;
  readonly seconds: number;
}

export interface MetricsOptions {
  readonly version: string;
  readonly mode: string;
  /** Wall time, milliseconds since 1970. */
  readonly startedAt: number;
}

/** As csi-lib-utils metrics/metrics.go has them, so that every sidecar's dashboard fits. */
const operationBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];

/** A failover is a matter of seconds; the last buckets are for those that wait for something. */
const phaseBuckets = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600];

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const gauges = createGauges(registry);
  const operations = new Histogram({
    name: 'csi_sidecar_operations_seconds',
    help: 'Container Storage Interface operation duration with gRPC error code status total',
    labelNames: ['driver_name', 'method_name', 'grpc_status_code'] as const,
    buckets: operationBuckets,
    registers: [registry],
  });
  const phases = new Histogram({
    name: 'csi_failover_phase_seconds',
    help: 'Duration of each step of an episode, until its effect was observed',
    labelNames: ['phase'] as const,
    buckets: phaseBuckets,
    registers: [registry],
  });
  const episodes = new Counter({
    name: 'csi_failover_episodes_total',
    help: 'Episodes by how they ended',
    labelNames: ['result'] as const,
    registers: [registry],
  });
  gauges.build.set({ version: options.version, mode: options.mode }, 1);
  gauges.start.set(options.startedAt / 1000);
  const refreshers: (() => void)[] = [];

  return {
    ...createHealthMetrics(registry),
    csiOperation: ({ driver, method, code, seconds }) =>
      operations.observe(
        {
          driver_name: driver === '' ? 'unknown-driver' : driver,
          method_name: method,
          grpc_status_code: goCodeName(code),
        },
        seconds,
      ),
    setVerdicts: (counts) => replace(gauges.verdict, 'verdict', counts),
    setHolds: (counts) => replace(gauges.holds, 'reason', counts),
    setHeartbeatAges: (ages) => replace(gauges.heartbeatAge, 'node', ages),
    episodeEnded: (result) => episodes.inc({ result }),
    phaseTook: (phase, seconds) => phases.observe({ phase }, seconds),
    setProtection: (pods) => {
      gauges.isProtected.reset();
      for (const { namespace, name, reason } of pods) {
        gauges.isProtected.set({ namespace, pod: name, reason }, reason === '' ? 1 : 0);
      }
    },
    setEventLoopLag: (seconds) => gauges.lag.set(seconds),
    setStuckLooks: (count) => gauges.stuckLooks.set(count),
    onScrape: (refresh) => void refreshers.push(refresh),
    render: async () => {
      for (const refresh of refreshers) refresh();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function createGauges(registry: Registry) {
  const registers = [registry];
  return {
    verdict: new Gauge({
      name: 'csi_failover_verdict',
      help: 'Nodes of this driver by verdict',
      labelNames: ['verdict'] as const,
      registers,
    }),
    holds: new Gauge({
      name: 'csi_failover_holds',
      help: 'Pods that are not moved now, by the guard that holds them',
      labelNames: ['reason'] as const,
      registers,
    }),
    heartbeatAge: new Gauge({
      name: 'csi_failover_heartbeat_age_seconds',
      help: "Time since a node's heartbeat was last seen to change",
      labelNames: ['node'] as const,
      registers,
    }),
    isProtected: new Gauge({
      name: 'csi_failover_pod_protected',
      help: '1: this labelled pod would be moved if its node failed now; 0: the guard says why not',
      labelNames: ['namespace', 'pod', 'reason'] as const,
      registers,
    }),
    lag: new Gauge({
      name: 'csi_failover_event_loop_lag_seconds',
      help: 'How late the last regular tick of the event loop came',
      registers,
    }),
    stuckLooks: new Gauge({
      name: 'csi_failover_stuck_looks',
      help: 'Helper processes of this agent that hang on a volume and cannot be ended',
      registers,
    }),
    build: new Gauge({
      name: 'csi_failover_build_info',
      help: 'Always 1; the labels say what is running',
      labelNames: ['version', 'mode'] as const,
      registers,
    }),
    start: new Gauge({
      name: 'process_start_time_seconds',
      help: 'Start time of the process since unix epoch in seconds',
      registers,
    }),
  };
}
