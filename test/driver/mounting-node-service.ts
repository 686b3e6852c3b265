import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { callLocal } from '../machine/local-http.ts';
import type { FaultTable } from './faults.ts';
import { healthHandlers } from './node-health.ts';
import { NodePath } from './node-path.ts';
import { nodeCapabilityNumbers } from './service-capabilities.ts';
import { CsiError, required } from './reply.ts';
import type { Handlers } from './services.ts';
import { capabilityAnswer } from './services.ts';

export interface MountingNodeOptions {
  readonly nodeId: string;
  readonly arrayNbd: string;
  readonly capabilities: readonly string[];
  readonly faults: FaultTable;
  readonly pathDeadlineMs?: number | undefined;
  /** The socket of the machine's block layer; test/real/block-layer.ts. */
  readonly blockLayer: string;
}

const execute = promisify(execFile);
const attachDeadlineMs = 20_000;

/** The node service with real mounts: ext4 on a loop device on what the array serves. */
export function mountingNodeHandlers(options: MountingNodeOptions): Handlers {
  const { nodeId, arrayNbd, capabilities } = options;
  const disk = <T>(method: 'PUT' | 'DELETE', handle: string): Promise<T> =>
    callLocal<T>({
      socketPath: options.blockLayer,
      method,
      path: `/${encodeURIComponent(`${handle}@${nodeId}`)}`,
      ...(method === 'PUT' && { body: { array: arrayNbd } }),
      deadlineMs: attachDeadlineMs,
    });
  return {
    NodeGetCapabilities: () => capabilityAnswer(capabilities, nodeCapabilityNumbers),
    NodeGetInfo: () => ({ node_id: nodeId }),
    NodeStageVolume: async (request) => {
      const handle = required(request, 'volume_id');
      const path = required(request, 'staging_target_path');
      if (isMounted(path)) return {};
      const { device } = await disk<{ readonly device: string }>('PUT', handle);
      try {
        if (await isBlank(device)) await run('mkfs.ext4', '-q', device);
        mkdirSync(path, { recursive: true });
        // The kernel makes the file system read-only when it cannot write, as most installations do.
        await run('mount', '-t', 'ext4', '-o', 'errors=remount-ro', device, path);
      } finally {
        // Goes with the last who uses it: the mount.
        await run('losetup', '--detach', device);
      }
      return {};
    },
    NodeUnstageVolume: async (request) => {
      const handle = required(request, 'volume_id');
      const path = required(request, 'staging_target_path');
      if (isMounted(path)) await run('umount', path);
      await disk('DELETE', handle);
      return {};
    },
    NodePublishVolume: async (request) => {
      const staging = required(request, 'staging_target_path');
      const target = required(request, 'target_path');
      if (isMounted(target)) return {};
      if (!isMounted(staging)) throw new CsiError('FAILED_PRECONDITION', `not staged: ${staging}`);
      mkdirSync(target, { recursive: true });
      await run('mount', '--bind', staging, target);
      return {};
    },
    // CSI has the driver remove the target path, and never the staging path.
    NodeUnpublishVolume: async (request) => {
      required(request, 'volume_id');
      const target = required(request, 'target_path');
      if (isMounted(target)) await run('umount', target);
      removeFolder(target);
      return {};
    },
    ...healthHandlers({
      ...options,
      path: new NodePath(options),
      usageAt: (path) => (isMounted(path) ? usageOf(path) : undefined),
    }),
  };
}

/** In bytes and in inodes. */
function usageOf(path: string): readonly object[] {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
  const bytes = {
    total: blocks * bsize,
    used: (blocks - bfree) * bsize,
    available: bavail * bsize,
  };
  return [
    { unit: 1, ...bytes },
    { unit: 2, total: files, used: files - ffree, available: ffree },
  ];
}

function isMounted(path: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === path);
}

/** A volume that nobody has made a file system on. */
async function isBlank(device: string): Promise<boolean> {
  await using file = await open(device, 'r');
  const start = Buffer.alloc(64 * 1024);
  await file.read(start, 0, start.length, 0);
  return start.every((byte) => byte === 0);
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch (error: unknown) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function run(command: string, ...args: readonly string[]): Promise<void> {
  try {
    await execute(command, args);
  } catch (error: unknown) {
    const { stderr = '' } = error as { readonly stderr?: string };
    throw new CsiError('INTERNAL', `${command}: ${stderr.trim() || String(error)}`);
  }
}
