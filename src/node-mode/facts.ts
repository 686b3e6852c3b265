import type { Instant } from '../shared/clock.ts';
import type { VolumeHealth } from '../shared/health.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { StorageReport } from '../shared/record.ts';
import type { Action } from './actions.ts';

/** Everything that node mode can learn. Stamped with our monotonic clock when it arrives. */
export type Fact =
  | DriverProbed
  | { readonly kind: 'KubeletProbed'; readonly health: KubeletHealth }
  /** Never empty. */
  | { readonly kind: 'BootIdRead'; readonly bootId: string }
  | VolumesFound
  /** The kubelet's directory could not be read: nobody knows which volumes are here. */
  | { readonly kind: 'VolumesUnread' }
  | { readonly kind: 'VolumeAsked'; readonly handle: string; readonly answer: DriverAnswer }
  | StorageAsked
  | { readonly kind: 'VolumeLookedAt'; readonly handle: string; readonly look: OwnLook }
  /** The mount table or the kubelet's directory could not be read for our own looks. */
  | { readonly kind: 'OwnLooksFailed' }
  | MachineInspected
  | HeartbeatAcknowledged
  /** SIGTERM: one last renewal says so, and then nothing is wanted any more. */
  | { readonly kind: 'Stopping' }
  | { readonly kind: 'Settled'; readonly action: Action; readonly outcome: Outcome }
  /** Our own process did not run for a while: what was seen before proves nothing about now. */
  | { readonly kind: 'Suspended'; readonly gapMs: number };

/**
 * `ok`: it answered, whatever it said. `refused`: nobody listens on the socket. `silent`: no
 * answer within the deadline, which is what a hung driver looks like.
 */
export type DriverWord = 'ok' | 'refused' | 'silent';

export interface DriverProbed {
  readonly kind: 'DriverProbed';
  readonly word: DriverWord;
  /** From NodeGetInfo; undefined if it was not asked this time or did not say. */
  readonly nodeId: string | undefined;
}

/**
 * `ok`: the health port answered 200. `dead`: refused, reset or silent. `unknown`: it answered
 * something else, or the trouble is ours (no descriptors left, a name that does not resolve).
 */
export type KubeletHealth = 'ok' | 'dead' | 'unknown';

/** A round over the volumes begins. */
export interface VolumesFound {
  readonly kind: 'VolumesFound';
  /** All that pods of this machine have of the driver. */
  readonly handles: readonly string[];
  /** Whether the driver offers to tell of volumes; undefined if it did not say. */
  readonly offered: boolean | undefined;
}

/** What the driver's node service said when it was asked about one volume. */
export type DriverAnswer =
  | { readonly kind: 'Told'; readonly health: VolumeHealth }
  /** An error, by its gRPC code: neither good nor bad. */
  | { readonly kind: 'Refused'; readonly code: string }
  /** No answer within the deadline. */
  | { readonly kind: 'Late' };

export interface StorageAsked {
  readonly kind: 'StorageAsked';
  /** Undefined if it did not say, or nothing that is understood. */
  readonly storage: StorageReport | undefined;
}

/** What one look of our own at a volume came to. */
export type OwnLook =
  | { readonly kind: 'Seen'; readonly health: VolumeHealth }
  /** It did not come back in time. */
  | { readonly kind: 'Late' };

/** One line of the mount table, as far as it matters for what is left of a volume. */
export interface Mount {
  readonly mountPoint: string;
  /**
   * Whether mounts made elsewhere below this one appear here too: `shared:N` or `master:N` among
   * the optional fields of mountinfo (proc_pid_mountinfo(5)).
   */
  readonly receives: boolean;
}

/** The rest of that line. */
export interface MountEntry extends Mount {
  /** No other mount of this boot has it, unless this one is gone. */
  readonly id: string;
  /** `major:minor`; major 0 where no block device is behind it. */
  readonly device: string;
  readonly type: string;
  /** Of this mount. */
  readonly options: readonly string[];
  /** Of the file system, wherever else it is mounted. */
  readonly superOptions: readonly string[];
}

/** A volume of this driver that a `vol_data.json` below the kubelet's directory names. */
export interface FoundVolume {
  readonly handle: string;
  /** specVolID: the PersistentVolume's name. */
  readonly pv: string;
  /** Where the file stood. */
  readonly path: string;
}

/** The mount table and the kubelet's directory, both read completely within the deadline. */
export interface MachineInspected {
  readonly kind: 'MachineInspected';
  /** Before the first byte was read; the arrival of the fact would be too late to count from. */
  readonly beganAt: Instant;
  readonly mounts: readonly Mount[];
  readonly volumes: readonly FoundVolume[];
  /** The kubelet's directory as configured and with symbolic links resolved. */
  readonly kubeletDirs: readonly string[];
  /** Uids of the pods of which a container exists; undefined: nobody can tell. */
  readonly running?: ReadonlySet<string> | undefined;
}

/** The compare-and-swap on our own Lease succeeded. */
export interface HeartbeatAcknowledged {
  readonly kind: 'HeartbeatAcknowledged';
  /** What was written, encoded: the measure of whether a later report differs. */
  readonly report: string;
  /** The fence annotation as it stands on the Lease, unread; undefined if there is none. */
  readonly fence: string | undefined;
}
