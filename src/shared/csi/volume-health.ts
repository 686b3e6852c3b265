/**
 * What the driver's controller service says of the health of volumes, in whichever generation of
 * CSI it speaks. Only a driver that says that it means its words is asked for them, and only a
 * word counts: a failed call, an absent condition and an unknown number are all `Unknown`.
 */
import { type VolumeHealth, worstHealth } from '../health.ts';
import { type Outcome, failed, unknown } from '../outcome.ts';
import type { ControllerCapabilities } from './controller-capabilities.ts';
import { healthOfCondition, healthOfStatuses } from './health-words.ts';
import { type ListingOptions, readListing } from './listing.ts';
import type { HealthOfVolume, VolumeEntry } from './messages.ts';

/**
 * Which call serves which way of asking. `health` is CSI 1.13, `condition` what came before; a
 * driver that offers both is asked in the younger one.
 */
export interface HealthOffer {
  readonly list: 'health' | 'condition' | 'none';
  readonly get: 'health' | 'condition' | 'none';
}

export interface HealthRead {
  readonly outcome: Outcome;
  /** Exactly if the outcome is Done. */
  readonly health?: VolumeHealth;
}

export interface HealthListing {
  readonly outcome: Outcome;
  /** Of all pages. Empty unless the outcome is Done. */
  readonly volumes: ReadonlyMap<string, VolumeHealth>;
  /**
   * The listing names only volumes with trouble: a driver of CSI 1.13 leaves out those of which it
   * knows nothing adverse. But pages may lose a volume, so one absence proves nothing (KEP-1432,
   * "Reconciliation contract").
   */
  readonly omitsHealthy: boolean;
}

export function healthOffer(known: ControllerCapabilities): HealthOffer {
  const { listVolumeHealth, getVolumeHealth, volumeCondition, listVolumes, getVolume } = known;
  const condition = (has: boolean): 'condition' | 'none' =>
    volumeCondition && has ? 'condition' : 'none';
  return {
    list: listVolumeHealth ? 'health' : condition(listVolumes),
    get: getVolumeHealth ? 'health' : condition(getVolume),
  };
}

/** Asks for one volume by name. The id in the answer is not looked at: some send another one. */
export async function getVolumeHealth(
  { connection, deadlineMs }: ListingOptions,
  offer: HealthOffer,
  handle: string,
): Promise<HealthRead> {
  const request = { volume_id: handle };
  switch (offer.get) {
    case 'health': {
      const path = '/csi.v1.Controller/ControllerGetVolumeHealth';
      const { outcome, answer } = await connection.call(path, request, { deadlineMs });
      if (answer === undefined) return { outcome };
      return { outcome, health: healthOfStatuses(answer.volume_health) };
    }
    case 'condition': {
      const path = '/csi.v1.Controller/ControllerGetVolume';
      const { outcome, answer } = await connection.call(path, request, { deadlineMs });
      if (answer === undefined) return { outcome };
      return { outcome, health: healthOfCondition(answer.status?.volume_condition) };
    }
    case 'none':
      return { outcome: failed('UNIMPLEMENTED', 'the driver cannot be asked for one volume') };
  }
}

/** One pass over the whole listing. */
export async function listVolumeHealth(
  options: ListingOptions,
  offer: HealthOffer,
): Promise<HealthListing> {
  let volumes = new Map<string, VolumeHealth>();
  switch (offer.list) {
    case 'health': {
      const path = '/csi.v1.Controller/ControllerListVolumeHealth';
      const outcome = await readListing(options, path, () => {
        volumes = new Map();
        return ({ entries }) => collectHealth(entries ?? [], volumes);
      });
      return completed(outcome, volumes, true);
    }
    case 'condition': {
      const outcome = await readListing(options, '/csi.v1.Controller/ListVolumes', () => {
        volumes = new Map();
        return ({ entries }) => collectConditions(entries ?? [], volumes);
      });
      return completed(outcome, volumes, false);
    }
    case 'none': {
      const outcome = failed('UNIMPLEMENTED', 'the driver does not list the health of volumes');
      return completed(outcome, volumes, false);
    }
  }
}

/** What one complete pass says of one volume. */
export function healthInListing(listing: HealthListing, handle: string): HealthRead {
  const { outcome, volumes } = listing;
  if (outcome.kind !== 'Done') return { outcome };
  const health = volumes.get(handle);
  if (health !== undefined) return { outcome, health };
  return { outcome: unknown('NOT_LISTED', 'the volume was not in the listing') };
}

function completed(
  outcome: Outcome,
  volumes: ReadonlyMap<string, VolumeHealth>,
  omitsHealthy: boolean,
): HealthListing {
  return { outcome, volumes: outcome.kind === 'Done' ? volumes : new Map(), omitsHealthy };
}

/**
 * A volume that changes while it is listed may come twice, and nobody says which word is the
 * younger one: then the worse counts until the next listing.
 */
function keep(volumes: Map<string, VolumeHealth>, handle: string, health: VolumeHealth): void {
  if (handle === '') return;
  const known = volumes.get(handle);
  volumes.set(handle, known === undefined ? health : worstHealth([known, health]));
}

function collectHealth(
  entries: readonly (HealthOfVolume | null)[],
  volumes: Map<string, VolumeHealth>,
): void {
  for (const entry of entries) {
    keep(volumes, entry?.volume_id ?? '', healthOfStatuses(entry));
  }
}

function collectConditions(
  entries: readonly (VolumeEntry | null)[],
  volumes: Map<string, VolumeHealth>,
): void {
  for (const entry of entries) {
    const handle = entry?.volume?.volume_id ?? '';
    keep(volumes, handle, healthOfCondition(entry?.status?.volume_condition));
  }
}
