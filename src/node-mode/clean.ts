/**
 * What is left of fenced volumes on this machine. The controller gives the node back only after
 * the agent found nothing, so every doubt here counts as a left-over.
 */
import type { FencedVolume } from '../shared/record.ts';
import type { FoundVolume, Mount } from './facts.ts';

/** What one look at the machine showed. */
export interface Machine {
  readonly mounts: readonly Mount[];
  readonly volumes: readonly FoundVolume[];
  readonly kubeletDirs: readonly string[];
  /** Uids of the pods of which a container exists; undefined: nobody can tell. */
  readonly running?: ReadonlySet<string> | undefined;
}

export interface DriverPaths {
  readonly driverName: string;
  /** SHA-256 as lower-case hex: the kubelet names staging directories by it. */
  readonly sha256Hex: (text: string) => string;
}

/** Something of a fenced volume that is still here, or a reason why nobody can tell. */
export interface LeftOver {
  readonly kind: 'mounted' | 'blind' | 'running';
  readonly path: string;
  /** A sentence for people. */
  readonly reason: string;
}

/**
 * Everything of these volumes that is left. A record that names no volume is taken for all of the
 * driver's: "nothing was fenced" is not a thing that a fence record can say.
 *
 * A file or an empty directory that the kubelet left behind is no left-over: nothing can be
 * written to the volume through it. Mounts are.
 */
export function leftOversOf(
  fenced: readonly FencedVolume[],
  machine: Machine,
  paths: DriverPaths,
): readonly LeftOver[] {
  return [...blindSpots(machine), ...mounted(fenced, machine, paths)];
}

/**
 * A kubelet directory that is mounted into our own mount namespace without propagation shows the
 * mounts of the moment when this container started, and none that came or went since.
 */
function blindSpots(machine: Machine): LeftOver[] {
  return machine.mounts
    .filter((mount) => !mount.receives && machine.kubeletDirs.includes(mount.mountPoint))
    .map(({ mountPoint }) => ({
      kind: 'blind',
      path: mountPoint,
      reason:
        `${mountPoint} is mounted here without mount propagation, so that the mounts below it ` +
        'cannot be seen; mount it with mountPropagation: HostToContainer',
    }));
}

function mounted(
  fenced: readonly FencedVolume[],
  machine: Machine,
  paths: DriverPaths,
): LeftOver[] {
  const volumes = fenced.length > 0 ? fenced : machine.volumes;
  const handles = new Set(volumes.map((volume) => volume.handle));
  const names = pvNames(volumes, machine.volumes, handles);
  const hashes = new Set([...handles].map(paths.sha256Hex));
  return machine.mounts.flatMap(({ mountPoint }) => {
    const place = placeIn(machine.kubeletDirs, mountPoint);
    if (place === undefined) return [];
    const anyOfDriver = fenced.length === 0 && isStagedBy(place, paths.driverName);
    if (!anyOfDriver && !belongs(place, { names, hashes, driverName: paths.driverName })) return [];
    const reason = `a fenced volume is still mounted at ${mountPoint}`;
    return [{ kind: 'mounted' as const, path: mountPoint, reason }];
  });
}

/**
 * The names under which the kubelet may have published these volumes: what the record says, and
 * what the kubelet itself wrote beside them, because a record may lack the name.
 */
function pvNames(
  fenced: readonly FencedVolume[],
  found: readonly FoundVolume[],
  handles: ReadonlySet<string>,
): ReadonlySet<string> {
  const names = new Set(fenced.map((volume) => volume.pv));
  for (const volume of found) if (handles.has(volume.handle)) names.add(volume.pv);
  names.delete('');
  return names;
}

/** The parts of the path below that of these directories in which it lies. */
export function placeIn(dirs: readonly string[], path: string): readonly string[] | undefined {
  return dirs.map((dir) => placeBelow(dir, path)).find((parts) => parts !== undefined);
}

/** The parts of the path below a directory: `/a/b` is above `/a/b/c`, but not above `/a/bc`. */
function placeBelow(dir: string, path: string): readonly string[] | undefined {
  const prefix = dir.endsWith('/') ? dir : `${dir}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length).split('/') : undefined;
}

interface Wanted {
  readonly names: ReadonlySet<string>;
  readonly hashes: ReadonlySet<string>;
  readonly driverName: string;
}

/**
 * Whether a mount point below the kubelet's directory belongs to a volume. Everything below the
 * volume's own directory counts, because some drivers mount one level deeper (ceph-csi). Source:
 * Kubernetes pkg/volume/csi/csi_attacher.go, csi_mounter.go, csi_block.go; pkg/volume/util/subpath.
 */
function belongs(place: readonly string[], wanted: Wanted): boolean {
  if (place[0] === 'pods') return isPublished(place, wanted.names);
  if (place.slice(0, 3).join('/') !== 'plugins/kubernetes.io/csi') return false;
  const [owner, name = '', step = ''] = place.slice(3);
  // Staging before Kubernetes 1.24: pv/<pv>/globalmount.
  if (owner === 'pv') return wanted.names.has(name);
  // Block: volumeDevices/{staging,publish}/<pv>/…, and volumeDevices/<pv>/dev/<pod>.
  if (owner === 'volumeDevices') {
    return wanted.names.has(name === 'staging' || name === 'publish' ? step : name);
  }
  // Staging: <driver>/<hash of the handle>/globalmount.
  return owner === wanted.driverName && wanted.hashes.has(name);
}

/** pods/<uid>/volumes/kubernetes.io~csi/<pv>/mount, block devices, and binds of sub-paths. */
function isPublished(place: readonly string[], names: ReadonlySet<string>): boolean {
  const [, , kind, plugin = '', name = ''] = place;
  if (kind === 'volume-subpaths') return names.has(plugin);
  if (kind !== 'volumes' && kind !== 'volumeDevices') return false;
  return plugin === 'kubernetes.io~csi' && names.has(name);
}

function isStagedBy(place: readonly string[], driverName: string): boolean {
  return place.slice(0, 4).join('/') === `plugins/kubernetes.io/csi/${driverName}`;
}
