import { constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { FoundVolume } from './facts.ts';

export interface KubeletVolumesOptions {
  readonly kubeletDir: string;
  readonly driverName: string;
  /** Stops between two files; the one that hangs is left to hang. */
  readonly signal?: AbortSignal;
}

/** The kubelet writes about 300 bytes. */
const maxFileBytes = 64 * 1024;

/** Nodes carry a few hundred; a directory that names more than this is not the kubelet's. */
const maxFiles = 20_000;

/**
 * The volumes of one driver that a `vol_data.json` below the kubelet's directory names. Rejects if
 * a directory or file is there and cannot be read. A file without sense counts as absent: a crash
 * leaves empty ones, and what is mounted is told by the mount table, not by these files.
 *
 * Reads one file after the other, so that a hung disk holds one thread of the pool and no more,
 * and never looks at the mount points beside the files. Source: Kubernetes
 * pkg/volume/csi/csi_plugin.go, csi_mounter.go (publish) and csi_attacher.go (staging).
 */
export async function readKubeletVolumes(
  options: KubeletVolumesOptions,
): Promise<readonly FoundVolume[]> {
  const found: FoundVolume[] = [];
  let files = 0;
  for await (const directory of volumeDirectories(options)) {
    files += 1;
    if (files > maxFiles) throw new Error(`more than ${maxFiles} volumes below the kubelet's`);
    const path = join(directory, 'vol_data.json');
    const volume = parseVolumeData(await readSmallFile(path), path);
    if (volume?.driverName === options.driverName) found.push(volume.found);
  }
  return found;
}

/**
 * Which pods have each of these block volumes: the kubelet keeps a device file named for the uid of
 * the pod at volumeDevices/publish/<pv>/<uid> (pkg/volume/csi/csi_block.go). Rejects likewise.
 */
export async function readBlockPods(
  pvs: readonly string[],
  options: KubeletVolumesOptions,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const plugin = join(options.kubeletDir, 'plugins', 'kubernetes.io', 'csi');
  const pods = new Map<string, readonly string[]>();
  for (const pv of pvs) {
    pods.set(pv, await names(join(plugin, 'volumeDevices', 'publish', pv), options));
  }
  return pods;
}

/**
 * The kubelet's directory as configured and as the kernel knows it: the mount table shows paths
 * without symbolic links.
 */
export async function resolveKubeletDir(kubeletDir: string): Promise<readonly string[]> {
  return [...new Set([resolve(kubeletDir), await realpath(kubeletDir)])];
}

async function* volumeDirectories(options: KubeletVolumesOptions): AsyncGenerator<string> {
  const pods = join(options.kubeletDir, 'pods');
  for (const pod of await names(pods, options)) {
    const published = join(pods, pod, 'volumes', 'kubernetes.io~csi');
    for (const pv of await names(published, options)) yield join(published, pv);
  }
  const plugin = join(options.kubeletDir, 'plugins', 'kubernetes.io', 'csi');
  const staged = join(plugin, options.driverName);
  for (const volume of await names(staged, options)) yield join(staged, volume);
  // Block volumes keep theirs at volumeDevices/<pv>/data.
  const devices = join(plugin, 'volumeDevices');
  for (const pv of await names(devices, options)) {
    // Below these two the names are volumes, and a volume may be called `data`.
    if (pv !== 'staging' && pv !== 'publish') yield join(devices, pv, 'data');
  }
}

/** Names only: asking for types could make the C library stat what is mounted there. */
async function names(path: string, { signal }: KubeletVolumesOptions): Promise<readonly string[]> {
  signal?.throwIfAborted();
  return (await unlessAbsent(readdir(path))) ?? [];
}

async function readSmallFile(path: string): Promise<string | undefined> {
  // Neither a pipe without a writer nor a link to elsewhere may hold us up.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  const file = await unlessAbsent(open(path, flags));
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(maxFileBytes) });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Pods and volumes come and go while we read; a name that is gone is no error. */
async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error: unknown) {
    const code = Error.isError(error) && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

interface NamedVolume {
  readonly driverName: string;
  readonly found: FoundVolume;
}

/** Undefined for anything that names no volume; never throws. */
export function parseVolumeData(text: string | undefined, path: string): NamedVolume | undefined {
  const data = parse(text);
  if (typeof data !== 'object' || data === null) return undefined;
  const { driverName, volumeHandle, specVolID } = data as Record<string, unknown>;
  if (typeof driverName !== 'string' || typeof volumeHandle !== 'string') return undefined;
  if (volumeHandle === '') return undefined;
  const pv = typeof specVolID === 'string' ? specVolID : '';
  return { driverName, found: { handle: volumeHandle, pv, path } };
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
