import { resolve } from 'node:path';
import type { Machine } from './clean.ts';
import { readRunningPods } from './containers.ts';
import { readBlockPods, readKubeletVolumes, resolveKubeletDir } from './kubelet-volumes.ts';
import type { MountEntry } from './facts.ts';
import { readMounts } from './mounts.ts';
import { type NodeVolume, nodeVolumes } from './node-volumes.ts';

export interface MachinePaths {
  readonly mountinfoFile: string;
  readonly kubeletDir: string;
  readonly driverName: string;
}

/** And where the node's cgroups are; empty: nowhere. */
export interface WholeMachinePaths extends MachinePaths {
  readonly cgroupDir: string;
}

/**
 * One complete look at what the kubelet and the driver left on this machine. Rejects if any part
 * of it cannot be read: half a look must not make a machine look clean.
 */
export async function readMachine(paths: WholeMachinePaths, signal: AbortSignal): Promise<Machine> {
  const kubeletDirs = await resolveKubeletDir(paths.kubeletDir);
  const volumes = await readKubeletVolumes({ ...paths, signal });
  // Which containers run is needed for more than the attestation, which stands without it.
  const running =
    paths.cgroupDir === ''
      ? undefined
      : await readRunningPods(paths.cgroupDir, signal).catch(() => undefined);
  // Last, so that it is the youngest part of the evidence.
  const mounts = await readMounts(paths.mountinfoFile, signal);
  return { mounts, volumes, kubeletDirs, running };
}

/** What our own looks at volumes begin with. Rejects likewise. */
export async function readVolumesAndMounts(
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<VolumesAndMounts> {
  const kubeletDirs = await resolveKubeletDir(paths.kubeletDir);
  const volumes = await readNodeVolumes(paths, signal);
  const mounts = await readMounts(paths.mountinfoFile, signal);
  return { volumes, mounts, kubeletDirs };
}

export interface VolumesAndMounts {
  readonly volumes: readonly NodeVolume[];
  readonly mounts: readonly MountEntry[];
  /** As configured and, last, as the kernel names it. */
  readonly kubeletDirs: readonly string[];
}

/** The volumes of the driver that pods of this machine have. Rejects if that cannot be read. */
export async function readNodeVolumes(
  paths: Omit<MachinePaths, 'mountinfoFile'>,
  signal: AbortSignal,
): Promise<readonly NodeVolume[]> {
  const options = { kubeletDir: resolve(paths.kubeletDir), driverName: paths.driverName, signal };
  const found = await readKubeletVolumes(options);
  const devices = found.filter(({ path }) => path.includes('/volumeDevices/'));
  const blockPods = await readBlockPods(
    devices.map(({ pv }) => pv).filter((pv) => pv !== ''),
    options,
  );
  return nodeVolumes(found, { kubeletDir: options.kubeletDir, blockPods });
}
