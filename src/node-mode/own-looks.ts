/**
 * What our own looks at a volume mean: the mount table, the root of its file system, its device.
 * They see what every driver could see and most do not tell: a mount that is gone, a file system
 * that turned read-only, an endpoint that is dead. Whatever is not clearly trouble is none.
 */
import type { VolumeHealth } from '../shared/health.ts';
import type { MountEntry } from './facts.ts';

/** What the helper is asked about one place of one volume. */
export interface LookQuestion {
  readonly path: string;
  /** A device file, not a file system. */
  readonly isBlock: boolean;
  /** `major:minor` of what the file system stands on; empty if that is no block device. */
  readonly device: string;
  /** When the file system notes that its root was read. */
  readonly accessTimes: 'never' | 'relative' | 'always';
  readonly nowMs: number;
  /** Where sysfs is mounted. */
  readonly sysDir: string;
}

export interface LookAnswer {
  readonly failure?: { readonly call: string; readonly errno: number };
  readonly device: 'ok' | 'absent' | 'empty' | 'offline' | 'unknown';
}

/** What was seen of a place before. Lost with the process: then less is found. */
export interface Past {
  /** The kernel's id of the mount: another mount has no past. */
  readonly mountId: string;
  readonly wasWritable: boolean;
  readonly hadDevice: boolean;
}

const healthy: VolumeHealth = { status: 'Healthy', reason: '', message: '' };

/**
 * File systems that are writable unless somebody says otherwise when mounting, which shows in the
 * options of the mount, too. Others, as squashfs, may be read-only by birth.
 */
const writable = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'jfs'];

/**
 * Trouble that the mount table shows. The mount's own options say what was asked for, those of the
 * super block what has become of it: a file system that the kernel made read-only after an error
 * keeps `rw` in the former. Linux 6.18 does not even say `ro` in the latter, but `emergency_ro`.
 */
export function mountTrouble(mount: MountEntry, past: Past | undefined): VolumeHealth | undefined {
  const { mountPoint, options, superOptions, type } = mount;
  if (superOptions.includes('emergency_ro') || superOptions.includes('shutdown')) {
    return readOnly(`the file system at ${mountPoint} was stopped by the kernel after an error`);
  }
  if (isWritable(mount)) return undefined;
  const wasWritable = past?.mountId === mount.id && past.wasWritable;
  const turnedByItself = options.includes('rw') && writable.includes(type);
  if (!wasWritable && !turnedByItself) return undefined;
  const which = superOptions.includes('ro') ? 'file system' : 'mount';
  return readOnly(`the ${which} at ${mountPoint} has become read-only`);
}

export function isWritable({ options, superOptions }: MountEntry): boolean {
  return options.includes('rw') && superOptions.includes('rw');
}

export function mountGone(path: string): VolumeHealth {
  const message = `nothing is mounted at ${path} any more`;
  return { status: 'Inaccessible', reason: 'MountGone', message };
}

/**
 * Errors that come from the storage or the way to it, by their Linux numbers. All others come from
 * rights, from names, from us: they say nothing.
 */
const storageErrors: ReadonlyMap<number, string> = new Map([
  [5, 'EIO'],
  [6, 'ENXIO'],
  [19, 'ENODEV'],
  // Nobody who reads is told so, unless by a file system that has given up.
  [30, 'EROFS'],
  [74, 'EBADMSG'],
  [103, 'ECONNABORTED'],
  [104, 'ECONNRESET'],
  [107, 'ENOTCONN'],
  [108, 'ESHUTDOWN'],
  [110, 'ETIMEDOUT'],
  [112, 'EHOSTDOWN'],
  [113, 'EHOSTUNREACH'],
  [116, 'ESTALE'],
  [117, 'EUCLEAN'],
  [121, 'EREMOTEIO'],
  [123, 'ENOMEDIUM'],
]);

/** What an answer of the helper says of the volume. */
export function healthOfAnswer(path: string, answer: LookAnswer, past?: Past): VolumeHealth {
  const { failure, device } = answer;
  const name = failure === undefined ? undefined : storageErrors.get(failure.errno);
  if (failure !== undefined && name !== undefined) {
    const message = `${failure.call} of ${path} fails with ${name}`;
    return { status: 'Inaccessible', reason: name, message };
  }
  if (device === 'offline')
    return deviceTrouble('DeviceOffline', `the device of ${path} is offline`);
  // Only a device that was there can be gone: not every container sees all of sysfs.
  if ((device === 'absent' || device === 'empty') && past?.hadDevice === true) {
    return deviceTrouble('DeviceGone', `the device of ${path} is gone`);
  }
  if (failure === undefined) return healthy;
  return { status: 'Unknown', reason: 'NotSeen', message: `errno ${failure.errno} at ${path}` };
}

/** When reading the root of a file system would be noted in it, which we must not cause. */
export function accessTimesOf(mount: MountEntry): LookQuestion['accessTimes'] {
  const { options } = mount;
  if (!isWritable(mount) || options.includes('noatime') || options.includes('nodiratime')) {
    return 'never';
  }
  return options.includes('relatime') ? 'relative' : 'always';
}

function readOnly(message: string): VolumeHealth {
  return { status: 'Inaccessible', reason: 'ReadOnly', message };
}

function deviceTrouble(reason: string, message: string): VolumeHealth {
  return { status: 'Inaccessible', reason, message };
}
