import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Device, deviceFile } from './device.ts';
import type { FaultTable } from './faults.ts';
import type { MountTable } from './mount-table.ts';
import { healthHandlers } from './node-health.ts';
import { NodePath } from './node-path.ts';
import { CsiError, required } from './reply.ts';
import { nodeCapabilityNumbers } from './service-capabilities.ts';
import type { Handlers } from './services.ts';
import { capabilityAnswer } from './services.ts';

export interface NodeOptions {
  readonly nodeId: string;
  readonly arrayNbd: string;
  readonly capabilities: readonly string[];
  readonly mounts: MountTable;
  readonly faults: FaultTable;
  readonly pathDeadlineMs?: number | undefined;
}

/** The node service. Its mounts are lines of a table; the data goes from the writer to the array. */
export function nodeHandlers(options: NodeOptions): Handlers {
  const { nodeId, arrayNbd, capabilities, mounts } = options;
  const path = new NodePath(options);
  const mount = (path: string, handle: string) => {
    const mounted = mounts.handleAt(path);
    if (mounted === undefined) mounts.mount(path, handle);
    else if (mounted !== handle) throw new CsiError('INTERNAL', `${mounted} is mounted at ${path}`);
  };
  return {
    NodeGetCapabilities: () => capabilityAnswer(capabilities, nodeCapabilityNumbers),
    NodeGetInfo: () => ({ node_id: nodeId }),
    NodeStageVolume: (request) => {
      const path = required(request, 'staging_target_path');
      mkdirSync(path, { recursive: true });
      mount(path, required(request, 'volume_id'));
      return {};
    },
    NodeUnstageVolume: async (request) => {
      const handle = required(request, 'volume_id');
      const staging = required(request, 'staging_target_path');
      if (mounts.handleAt(staging) === handle) await path.flush(handle);
      mounts.unmount(staging);
      return {};
    },
    NodePublishVolume: (request) => {
      const handle = required(request, 'volume_id');
      const staging = required(request, 'staging_target_path');
      const target = required(request, 'target_path');
      if (mounts.handleAt(staging) !== handle) {
        throw new CsiError('FAILED_PRECONDITION', `${handle} is not staged at ${staging}`);
      }
      mkdirSync(target, { recursive: true });
      mount(target, handle);
      const device: Device = { array: arrayNbd, export: `${handle}@${nodeId}` };
      writeFileSync(join(target, deviceFile), JSON.stringify(device));
      return {};
    },
    // CSI lets the driver remove the target path, and never the staging path.
    NodeUnpublishVolume: (request) => {
      required(request, 'volume_id');
      const target = required(request, 'target_path');
      mounts.unmount(target);
      rmSync(target, { recursive: true, force: true });
      return {};
    },
    ...healthHandlers({
      ...options,
      path,
      usageAt: (volumePath, handle) => (mounts.handleAt(volumePath) === handle ? usage : undefined),
    }),
  };
}

const totalBytes = 64 * 1024 * 1024;
const usage = [{ unit: 1, total: totalBytes, used: 0, available: totalBytes }];
