import type { FaultTable } from './faults.ts';
import { conditionOf, healthOf, saidOf, storageHealthOf } from './health.ts';
import type { NodePath } from './node-path.ts';
import { CsiError, required } from './reply.ts';
import type { Handlers } from './services.ts';

export interface NodeHealthOptions {
  readonly capabilities: readonly string[];
  readonly faults: FaultTable;
  readonly path: NodePath;
  /** VolumeUsage of the volume that is mounted there; undefined: it is not. */
  readonly usageAt: (volumePath: string, handle: string) => readonly object[] | undefined;
}

/** In both generations of CSI, each only where the driver says that it can. */
export function healthHandlers(options: NodeHealthOptions): Handlers {
  const { capabilities, faults, path, usageAt } = options;
  const said = async (handle: string) =>
    saidOf(faults.lies, handle, await path.volumeHealth(handle));
  return {
    NodeGetVolumeStats: async (request) => {
      const handle = required(request, 'volume_id');
      const volumePath = required(request, 'volume_path');
      const usage = usageAt(volumePath, handle);
      if (usage === undefined) {
        throw new CsiError('NOT_FOUND', `no such volume at ${volumePath}`);
      }
      if (!capabilities.includes('VOLUME_CONDITION')) return { usage };
      return { usage, ...conditionOf(await said(handle)) };
    },
    ...(capabilities.includes('GET_VOLUME_HEALTH') && {
      NodeGetVolumeHealth: async (request) => {
        const handle = required(request, 'volume_id');
        return { volume_health: healthOf(handle, await said(handle)) };
      },
    }),
    ...(capabilities.includes('GET_STORAGE_HEALTH') && {
      NodeGetStorageHealth: async () =>
        storageHealthOf(faults.lies.storage ?? (await path.storageHealth())),
    }),
  };
}
