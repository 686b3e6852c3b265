/**
 * Where the volumes of the driver stand on this machine, from the files that the kubelet wrote
 * beside them. Source: Kubernetes pkg/volume/csi/csi_mounter.go, csi_attacher.go, csi_block.go.
 */
import type { FoundVolume } from './facts.ts';

/** A volume that a pod of this machine uses, or is about to use, or was not taken from it yet. */
export interface NodeVolume {
  readonly handle: string;
  readonly pv: string;
  readonly block: boolean;
  /** Where pods find it: one place for each pod, and at least one. */
  readonly publishPaths: readonly string[];
  /** Empty if the kubelet keeps none. */
  readonly stagingPath: string;
}

export interface KubeletPlace {
  readonly kubeletDir: string;
  /** Names below volumeDevices/publish/<pv>: the uids of the pods that have the block device. */
  readonly blockPods: ReadonlyMap<string, readonly string[]>;
}

interface Gathered {
  pv: string;
  block: boolean;
  stagingPath: string;
  readonly publishPaths: string[];
}

/**
 * One entry for each handle, by handle. What is staged and not published is in no pod's hands, and
 * left out: the kubelet is about to unstage it.
 */
export function nodeVolumes(
  found: readonly FoundVolume[],
  place: KubeletPlace,
): readonly NodeVolume[] {
  const volumes = new Map<string, Gathered>();
  for (const volume of found) {
    const known = volumes.get(volume.handle) ?? {
      pv: '',
      block: false,
      stagingPath: '',
      publishPaths: [],
    };
    volumes.set(volume.handle, known);
    known.pv ||= volume.pv;
    gather(known, volume, place);
  }
  return [...volumes]
    .map(([handle, volume]) => ({ handle, ...volume }))
    .filter(({ publishPaths }) => publishPaths.length > 0)
    .toSorted((a, b) => (a.handle < b.handle ? -1 : 1));
}

function gather(
  known: Gathered,
  volume: FoundVolume,
  { kubeletDir, blockPods }: KubeletPlace,
): void {
  const directory = volume.path.slice(0, volume.path.lastIndexOf('/'));
  const below = directory.slice(kubeletDir.replace(/\/$/, '').length + 1).split('/');
  if (below[0] === 'pods') {
    known.publishPaths.push(`${directory}/mount`);
    return;
  }
  // Below plugins/kubernetes.io/csi: volumeDevices/<pv>/data, or <driver>/<hash of the handle>.
  const [, , , owner, name = ''] = below;
  if (owner !== 'volumeDevices') {
    known.stagingPath = `${directory}/globalmount`;
    return;
  }
  const devices = below.slice(0, 4).join('/');
  known.block = true;
  known.stagingPath = `${kubeletDir}/${devices}/staging/${name}`;
  for (const pod of blockPods.get(name) ?? []) {
    known.publishPaths.push(`${kubeletDir}/${devices}/publish/${name}/${pod}`);
  }
}
