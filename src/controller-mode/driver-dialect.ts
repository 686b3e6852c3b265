import type { VolumeHealth } from '../shared/health.ts';

/** Who said it: the agent on a node, or the driver's controller service. */
export type Viewer = 'node' | 'controller';

interface Dialect {
  readonly driver: string;
  readonly viewer: Viewer;
  /** Only what the driver words so; undefined: whatever it says. */
  readonly message?: RegExp;
  /** What `Abnormal` of this driver means. */
  readonly means: VolumeHealth['status'];
  /** For people, and for whoever doubts it: where it was read. */
  readonly why: string;
}

/**
 * Drivers whose `abnormal` (VolumeCondition, CSI up to 1.12) means something else than that the
 * volume cannot be used. The words of CSI 1.13 are taken as they are.
 */
export const dialects: readonly Dialect[] = [
  {
    driver: 'csi-powermax.dellemc.com',
    viewer: 'controller',
    means: 'Unknown',
    why: 'any error of the management API is reported as an abnormal volume (csi-powermax)',
  },
  {
    driver: 'linstor.csi.linbit.com',
    viewer: 'controller',
    means: 'Degraded',
    why: 'one replica is offline, which may be on any node (linstor-csi)',
  },
  {
    driver: 'hostpath.csi.k8s.io',
    viewer: 'controller',
    message: /capacity|free space/iu,
    means: 'Degraded',
    why: 'a full disk is full wherever the pod runs (csi-driver-host-path)',
  },
  {
    driver: 'hostpath.csi.k8s.io',
    viewer: 'node',
    message: /capacity|free space/iu,
    means: 'Degraded',
    why: 'a full disk is full wherever the pod runs (csi-driver-host-path)',
  },
];

/** What this driver means by what it says. */
export function readHealth(driver: string, viewer: Viewer, health: VolumeHealth): VolumeHealth {
  if (health.status !== 'Abnormal') return health;
  const dialect = dialects.find(
    (one) =>
      one.driver === driver &&
      one.viewer === viewer &&
      (one.message === undefined || one.message.test(health.message)),
  );
  return dialect === undefined ? health : { ...health, status: dialect.means };
}
