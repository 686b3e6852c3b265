import type { Instant } from '../shared/clock.ts';
import type { VolumeHealth } from '../shared/health.ts';

/**
 * What an agent says is wrong with one volume on its node, or with its whole way to the storage,
 * and since when *we* have seen it. Forgetting it only delays: it starts anew with the next report.
 */
export interface Trouble {
  /** As last reported, in the words that are meant (driver-dialect.ts). */
  health: VolumeHealth;
  /** Since when there is trouble, short breaks included; for people. */
  since: Instant;
  /** Since when it has been as bad as now without any break. */
  steadySince: Instant;
  /** When the report stopped naming it; undefined while it does. */
  goneAt: Instant | undefined;
  /** When it began, the last few times. */
  turns: readonly Instant[];
}

/** What a kubelet says of one volume in the status of a pod, and since when we see it. */
export interface KubeletWord {
  readonly health: VolumeHealth;
  readonly since: Instant;
  /** When it was taken back; undefined while it stands. */
  readonly goneAt: Instant | undefined;
}

/** What the storage last said of one volume, through the driver's controller service. */
export interface SaidHealth {
  /** `Unknown`: it was listed without a word, or there is no such volume as far as it knows. */
  readonly health: VolumeHealth;
  /** Heard from the driver, or read in the status of a claim, where it may be of any age. */
  readonly by: 'driver' | 'claim';
  /** Before it was asked. */
  readonly at: Instant;
  /** In how many complete listings since then it was missing; one alone proves nothing. */
  readonly missed: number;
  /** The last word that was any called it abnormal. */
  readonly wasBad: boolean;
  /** When it was called well again after it had been called abnormal. */
  readonly healedAt: Instant | undefined;
}

/**
 * What people were last told of a volume by its storage: trouble, or that it is over. Only volumes
 * that are or were in trouble have one. An answer without a word changes nothing.
 */
export interface Condition {
  readonly health: VolumeHealth;
  /** When we heard that it had changed to this. */
  readonly since: Instant;
  /** It came with so many others that nobody was told of it alone. */
  readonly quiet: boolean;
}

/** The storage's view of all volumes of the driver. Forgetting it only delays. */
export interface StorageView {
  readonly volumes: Map<string, SaidHealth>;
  /** By handle, or '' for the listing: when it was last asked for in vain. */
  readonly unread: Map<string, Instant>;
  /** By handle what stands in the status of its claims. */
  readonly claimWords: Map<string, VolumeHealth>;
  /** Of how many volumes there is a word, and how many of those are bad. */
  known: number;
  abnormal: number;
  /** Since when they are too many to be believed one by one; and when that last ended. */
  massSince: Instant | undefined;
  massEndedAt: Instant | undefined;
}

export function emptyStorageView(): StorageView {
  return {
    volumes: new Map(),
    unread: new Map(),
    claimWords: new Map(),
    known: 0,
    abnormal: 0,
    massSince: undefined,
    massEndedAt: undefined,
  };
}
