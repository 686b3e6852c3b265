/** What the driver finds out about a volume or its storage, and both generations of saying it. */

/** `Healthy`, or a value of VolumeHealthErrorType in CSI 1.13; a number is sent as it is. */
export type Status = 'Healthy' | 'Degraded' | 'Inaccessible' | 'DataLoss' | number;

export interface Health {
  readonly status: Status;
  /** One word; a default for it is made of the status. */
  readonly reason?: string;
  readonly message?: string;
}

/** Whatever is true, this is said: of a volume, or `nothing` at all. */
export type Lie = Health | 'nothing';

/** What is said instead of the truth. In the faults file under the key `health`. */
export interface Lies {
  /** By handle; `*` is for all that have none of their own. */
  readonly volumes?: Readonly<Record<string, Lie>>;
  /** Of the node's way to the storage. */
  readonly storage?: Health;
}

export const healthy: Health = { status: 'Healthy' };

/** STORAGE_UNREACHABLE has the number of INACCESSIBLE. */
const numbers = { Degraded: 1, Inaccessible: 2, DataLoss: 3 } as const;

/** The truth, unless there is a lie for it. */
export function saidOf(lies: Lies, handle: string, truth: Health): Lie {
  return lies.volumes?.[handle] ?? lies.volumes?.['*'] ?? truth;
}

/** VolumeCondition of CSI up to 1.12, in which everything adverse is abnormal. */
export function conditionOf(lie: Lie): { volume_condition?: object } {
  if (lie === 'nothing') return {};
  const { status, message = `the volume is ${String(status).toLowerCase()}` } = lie;
  return { volume_condition: { abnormal: status !== 'Healthy', message } };
}

/** VolumeHealth of CSI 1.13, in which nothing adverse is an empty list. */
export function healthOf(handle: string, lie: Lie): object {
  return { volume_id: handle, health_statuses: statusesOf(lie) };
}

/** The answer of NodeGetStorageHealth. */
export function storageHealthOf(health: Health): object {
  return { backend_health: statusesOf(health) };
}

function statusesOf(lie: Lie): readonly object[] {
  if (lie === 'nothing' || lie.status === 'Healthy') return [];
  const { status, reason = `Told${status}`, message = '' } = lie;
  return [{ status: typeof status === 'number' ? status : numbers[status], reason, message }];
}
