import type { Instant } from '../shared/clock.ts';
import type { KeyedAction } from '../shared/mode.ts';

/** Everything that node mode can do. It writes its own Lease and no other object. */
export type Action = RenewHeartbeat | InspectMachine | UnmountVolume;

/**
 * Writes holder and report to our own Lease by compare-and-swap. Each attempt is an action of its
 * own, with a key of its own: a heartbeat keeps its pace through an outage of the API, so it must
 * not inherit the growing back-off of the attempts before it. The scope keeps them one at a time.
 */
export interface RenewHeartbeat extends KeyedAction {
  readonly kind: 'RenewHeartbeat';
  /** Names the holder, together with the node. */
  readonly bootId: string;
  /** Encoded; at most 8 KiB. */
  readonly report: string;
  /** Why a fenced machine does not attest that it is clean, for the log; empty if it need not. */
  readonly uncleanBecause: string;
  readonly last: boolean;
  /** When it was decided: the next one is due one interval later, however long this one takes. */
  readonly decidedAt: Instant;
}

/** Reads the mount table and the kubelet's directory; the result comes back as a fact. */
export interface InspectMachine extends KeyedAction {
  readonly kind: 'InspectMachine';
}

/** One call to the driver's node service, with the path that the kubelet would give it. */
export interface Unmount {
  readonly step: 'unpublish' | 'unstage';
  readonly handle: string;
  readonly path: string;
}

/** Has the driver take away what is left of a fenced volume and nobody has any more. */
export interface UnmountVolume extends KeyedAction {
  readonly kind: 'UnmountVolume';
  readonly unmount: Unmount;
  /** The fence annotation that it was decided upon; under any other one nothing is unmounted. */
  readonly fence: string;
}

export function renewHeartbeat(
  attempt: number,
  content: Omit<RenewHeartbeat, 'kind' | keyof KeyedAction>,
): RenewHeartbeat {
  return {
    ...content,
    kind: 'RenewHeartbeat',
    key: `heartbeat/${attempt}`,
    scope: 'heartbeat',
    exclusive: true,
  };
}

export function inspectMachine(attempt: number): InspectMachine {
  return {
    kind: 'InspectMachine',
    key: `inspect/${attempt}`,
    scope: 'inspect',
    exclusive: true,
  };
}

export function unmountVolume(
  attempt: number,
  content: Omit<UnmountVolume, 'kind' | keyof KeyedAction>,
): UnmountVolume {
  return {
    ...content,
    kind: 'UnmountVolume',
    key: `unmount/${attempt}`,
    scope: 'unmount',
    exclusive: true,
  };
}
