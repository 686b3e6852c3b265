import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** `pod<uid>`, or `kubepods-burstable-pod<uid>.slice` with underscores where systemd names it. */
const podGroup = /(?:^|-)pod([\w-]+?)(?:\.slice)?$/;

/** kubepods may stand below others: --cgroup-root of the kubelet, and a hierarchy of version 1. */
const maxDepth = 8;

/** A node carries a few hundred pods; whatever has more directories than this is something else. */
const maxDirectories = 50_000;

/**
 * The uids of the pods of which a container exists, by the node's tree of cgroups. The runtime
 * removes the directory of a container when the last of its processes is gone, which cannot be done
 * before (cgroups(7)); that of the pod stays as long as volumes do (Kubernetes
 * pkg/kubelet/kubelet_pods.go, cleanupOrphanedPodCgroups). Process ids would tell nothing: in a
 * container those of others read as zero, or not at all.
 *
 * Rejects if any part cannot be read, and where no pod has a container: we are one ourselves.
 */
export async function readRunningPods(
  cgroupDir: string,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const running = new Set<string>();
  let seen = 0;
  const walk = async (directory: string, depth: number): Promise<void> => {
    for (const name of await directoriesIn(directory)) {
      signal?.throwIfAborted();
      seen += 1;
      if (seen > maxDirectories) throw new Error(`${cgroupDir} is no tree of cgroups`);
      const path = join(directory, name);
      const [, uid] = podGroup.exec(name) ?? [];
      if (uid === undefined) {
        if (depth < maxDepth) await walk(path, depth + 1);
      } else if ((await directoriesIn(path)).length > 0) running.add(uid.replaceAll('_', '-'));
    }
  };
  await walk(cgroupDir, 1);
  if (running.size === 0) throw new Error(`${cgroupDir} shows no container, not even our own`);
  return running;
}

async function directoriesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error: unknown) {
    // They come and go while we read.
    const code = Error.isError(error) && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENODEV') return [];
    throw error;
  }
}
