import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What is measured of the health of volumes, where they exist by the names of KEP-1432. */
export interface HealthMetrics {
  /** One question for the health of volumes ended, or one pass over a listing of them. */
  healthProbe(probe: HealthProbe): void;
  setHealth(picture: HealthPicture): void;
  setNodeHealth(picture: NodeHealthPicture): void;
}

/** The complete picture of the health of volumes, as the controller has it. */
export interface HealthPicture {
  /** Claims whose volume the storage finds in trouble, with its word. */
  readonly claims: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly status: string;
  }[];
  /** How many volumes are bad on a node, by where the trouble lies. */
  readonly scopes: ReadonlyMap<string, number>;
  /** Of how many volumes the storage has said anything, and how many it finds bad. */
  readonly known: number;
  readonly abnormal: number;
  /** They are too many to be believed one by one. */
  readonly isMass: boolean;
}

export interface HealthProbe {
  /** The call, without its service. */
  readonly method: string;
  readonly result: 'success' | 'error';
  readonly seconds: number;
}

/** The complete picture of one node, as its agent has it. */
export interface NodeHealthPicture {
  /** What is in trouble there, with the word for it. */
  readonly volumes: readonly { readonly handle: string; readonly status: string }[];
  /** What the driver says of the node's way to the storage; undefined: nothing. */
  readonly storage: { readonly status: string; readonly reason: string } | undefined;
}

/** As KEP-1432 has them. */
const probeBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

export function createHealthMetrics(registry: Registry): HealthMetrics {
  const probes = createProbes(registry);
  const states = createStates(registry);
  return {
    healthProbe: ({ method, result, seconds }) => {
      probes.total.inc({ method, result });
      probes.duration.observe({ method }, seconds);
    },
    setHealth: ({ claims, scopes, known, abnormal, isMass }) => {
      states.claim.reset();
      for (const { namespace, name, status } of claims) {
        states.claim.set({ namespace, persistentvolumeclaim: name, status }, 1);
      }
      replace(states.scope, 'scope', scopes);
      states.volumes.set({ word: 'known' }, known);
      states.volumes.set({ word: 'abnormal' }, abnormal);
      states.mass.set(isMass ? 1 : 0);
    },
    setNodeHealth: ({ volumes, storage }) => {
      states.onNode.reset();
      for (const { handle, status } of volumes) {
        states.onNode.set({ volume_handle: handle, status }, 1);
      }
      states.backend.reset();
      if (storage === undefined || storage.status === 'ok') return;
      const { status, reason } = storage;
      states.backend.set({ status, reason }, 1);
    },
  };
}

function createProbes(registry: Registry) {
  const registers = [registry];
  return {
    total: new Counter({
      name: 'csi_volume_health_probe_total',
      help: 'Questions to the driver for the health of volumes, by call and result',
      labelNames: ['method', 'result'] as const,
      registers,
    }),
    duration: new Histogram({
      name: 'csi_volume_health_probe_duration_seconds',
      help: 'How long the driver took to answer for the health of volumes',
      labelNames: ['method'] as const,
      buckets: probeBuckets,
      registers,
    }),
  };
}

function createStates(registry: Registry) {
  const registers = [registry];
  return {
    claim: new Gauge({
      name: 'csi_controller_volume_health_status',
      help: 'Always 1: a claim whose volume the storage finds in trouble, and its word for it',
      labelNames: ['namespace', 'persistentvolumeclaim', 'status'] as const,
      registers,
    }),
    onNode: new Gauge({
      name: 'csi_node_volume_health_status',
      help: 'Always 1: a volume that is in trouble on this node, and the word for it',
      labelNames: ['volume_handle', 'status'] as const,
      registers,
    }),
    backend: new Gauge({
      name: 'csi_node_storage_backend_health_status',
      help: "Always 1: the driver finds this node's way to the storage in trouble",
      labelNames: ['status', 'reason'] as const,
      registers,
    }),
    scope: new Gauge({
      name: 'csi_failover_volume_trouble',
      help: 'Volumes that are bad on a node, by where the trouble lies',
      labelNames: ['scope'] as const,
      registers,
    }),
    volumes: new Gauge({
      name: 'csi_failover_storage_volumes',
      help: 'Volumes of which the storage has said anything, and those that it finds bad',
      labelNames: ['word'] as const,
      registers,
    }),
    mass: new Gauge({
      name: 'csi_failover_most_volumes_abnormal',
      help: '1 while the storage finds so many volumes bad that none is believed',
      registers,
    }),
  };
}

/** The complete picture: what is not in it is gone. */
export function replace<Label extends string>(
  gauge: Gauge<Label>,
  label: Label,
  values: ReadonlyMap<string, number>,
): void {
  gauge.reset();
  for (const [name, value] of values) {
    gauge.set({ [label]: name } as Record<Label, string>, value);
  }
}
