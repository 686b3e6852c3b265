import type { Machine } from './clean.ts';
import { readKubeletVolumes, resolveKubeletDir } from './kubelet-volumes.ts';
import { readMounts } from './mounts.ts';

export interface MachinePaths {
  readonly mountinfoFile: string;
  readonly kubeletDir: string;
  readonly driverName: string;
}

/**
 * One complete look at what the kubelet and the driver left on this machine. Rejects if any part
 * of it cannot be read: half a look must not make a machine look clean.
 */
export async function readMachine(paths: MachinePaths, signal: AbortSignal): Promise<Machine> {
  const kubeletDirs = await resolveKubeletDir(paths.kubeletDir);
  const volumes = await readKubeletVolumes({ ...paths, signal });
  // Last, so that it is the youngest part of the evidence.
  const mounts = await readMounts(paths.mountinfoFile, signal);
  return { mounts, volumes, kubeletDirs };
}
