import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { CsiVolume } from '../model/csi-volumes.ts';
import type { MachineState, VolumeOnMachine } from '../model/kubelet-action.ts';

/** A volume that the kubelet mounted, or left a directory of. */
interface Found extends VolumeOnMachine {
  readonly mountPoint: string;
  readonly podUid: string;
}

/** Whom a volume is published for. */
export interface Publication {
  readonly podUid: string;
  readonly nodeName: string;
  /** Name of the VolumeAttachment. */
  readonly attachment: string;
}

/**
 * The kubelet's directory, laid out as Kubernetes does it (pkg/volume/csi csi_attacher.go,
 * csi_mounter.go): `vol_data.json` beside every mount point says whose it is. Whether something is
 * mounted there is told by the mount table alone.
 */
export class KubeletDisk {
  readonly #kubeletDir: string;
  readonly #mountinfoFile: string;

  constructor(kubeletDir: string, mountinfoFile: string) {
    this.#kubeletDir = kubeletDir;
    this.#mountinfoFile = mountinfoFile;
  }

  stagingPath({ driver, handle }: VolumeOnMachine): string {
    const hash = createHash('sha256').update(handle).digest('hex');
    return join(this.#kubeletDir, 'plugins/kubernetes.io/csi', driver, hash, 'globalmount');
  }

  targetPath(podUid: string, pv: string): string {
    return join(this.#kubeletDir, 'pods', podUid, 'volumes/kubernetes.io~csi', pv, 'mount');
  }

  /** Where the volume is published for the pod, whatever its PersistentVolume was called. */
  publishedAt(podUid: string, { driver, handle }: VolumeOnMachine): string | undefined {
    return this.#published().find(
      (one) => one.podUid === podUid && one.driver === driver && one.handle === handle,
    )?.mountPoint;
  }

  noteStaged(volume: CsiVolume): void {
    writeVolumeData(this.stagingPath(volume), {
      driverName: volume.driver,
      volumeHandle: volume.handle,
    });
  }

  notePublished(volume: CsiVolume, { podUid, nodeName, attachment }: Publication): void {
    writeVolumeData(this.targetPath(podUid, volume.pv), {
      attachmentID: attachment,
      driverName: volume.driver,
      nodeName,
      specVolID: volume.pv,
      volumeHandle: volume.handle,
      volumeLifecycleMode: 'Persistent',
    });
  }

  /** The directory of one volume, mount point and vol_data.json, once nothing is mounted there. */
  forget(mountPoint: string): void {
    rmSync(dirname(mountPoint), { recursive: true, force: true });
  }

  state(): Pick<MachineState, 'staged' | 'published'> {
    const mounted = this.#mountPoints();
    const isMounted = ({ mountPoint }: Found): boolean => mounted.has(mountPoint);
    return {
      staged: this.#staged().filter(isMounted),
      published: this.#published().filter(isMounted),
    };
  }

  /** What a machine finds after a power failure: directories of pods that are not there any more. */
  sweep(knownPods: ReadonlySet<string>): void {
    const mounted = this.#mountPoints();
    for (const { podUid, mountPoint } of this.#published()) {
      if (!mounted.has(mountPoint) && !knownPods.has(podUid)) this.forget(mountPoint);
    }
    const pods = join(this.#kubeletDir, 'pods');
    for (const podUid of names(pods)) {
      const left = names(join(pods, podUid, 'volumes/kubernetes.io~csi')).length;
      if (left === 0 && !knownPods.has(podUid)) {
        rmSync(join(pods, podUid), { recursive: true, force: true });
      }
    }
  }

  #staged(): readonly Found[] {
    const root = join(this.#kubeletDir, 'plugins/kubernetes.io/csi');
    return names(root).flatMap((driver) =>
      names(join(root, driver)).flatMap((hash) =>
        readVolume(join(root, driver, hash, 'globalmount'), ''),
      ),
    );
  }

  #published(): readonly Found[] {
    const pods = join(this.#kubeletDir, 'pods');
    return names(pods).flatMap((podUid) => {
      const volumes = join(pods, podUid, 'volumes/kubernetes.io~csi');
      return names(volumes).flatMap((pv) => readVolume(join(volumes, pv, 'mount'), podUid));
    });
  }

  #mountPoints(): ReadonlySet<string> {
    const lines = readFileSync(this.#mountinfoFile, 'utf8').split('\n');
    return new Set(lines.map((line) => (line.split(' ')[4] ?? '').replaceAll('\\040', ' ')));
  }
}

function readVolume(mountPoint: string, podUid: string): readonly Found[] {
  const file = join(dirname(mountPoint), 'vol_data.json');
  if (!existsSync(file)) return [];
  const data = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>>;
  const driver = data['driverName'] ?? '';
  const handle = data['volumeHandle'] ?? '';
  return [{ driver, handle, mountPoint, podUid }];
}

/** In one step: a power failure must not leave half a file. */
function writeVolumeData(mountPoint: string, data: Readonly<Record<string, string>>): void {
  const folder = dirname(mountPoint);
  mkdirSync(folder, { recursive: true });
  const next = join(folder, 'vol_data.json.next');
  writeFileSync(next, JSON.stringify(data));
  renameSync(next, join(folder, 'vol_data.json'));
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
