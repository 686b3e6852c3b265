import type { Clock } from '../clock.ts';
import type { CsiEffect, Reply } from '../effect.ts';
import type { Outcome } from '../outcome.ts';
import { failed } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';
import { type ControllerCapabilities, controllerCapabilities } from './controller-capabilities.ts';
import { listPublishedNodes } from './published-nodes.ts';
import { SharedPass } from './shared-pass.ts';
import {
  getVolumeHealth,
  type HealthListing,
  type HealthOffer,
  healthInListing,
  healthOffer,
  type HealthRead,
  listVolumeHealth,
} from './volume-health.ts';

export interface ControllerCapabilitiesResult {
  readonly outcome: Outcome;
  /** Undefined if the driver did not tell: not the same as "none". */
  readonly capabilities: ControllerCapabilities | undefined;
}

export interface CsiControllerOptions {
  readonly connection: CsiConnection;
  readonly clock: Clock;
  /** For each single call. */
  readonly deadlineMs: number;
}

/** The driver's controller service. Remembers its capabilities while a connection lasts. */
export class CsiController {
  readonly #options: CsiControllerOptions;
  readonly #healthPass: SharedPass<HealthListing>;
  #known:
    | {
        readonly connections: number;
        readonly result: ControllerCapabilitiesResult;
        /** What it advertised and did not have. */
        readonly unserved?: Partial<Record<keyof HealthOffer, 'none'>>;
      }
    | undefined;

  constructor(options: CsiControllerOptions) {
    this.#options = options;
    this.#healthPass = new SharedPass(() => this.#listHealth());
  }

  /** Read again after every reconnect, since it may be another version of the driver by then. */
  async capabilities(): Promise<ControllerCapabilitiesResult> {
    const { connection, deadlineMs } = this.#options;
    if (this.#known !== undefined && this.#known.connections === connection.connections) {
      return this.#known.result;
    }
    const path = '/csi.v1.Controller/ControllerGetCapabilities';
    const { outcome, answer } = await connection.call(path, {}, { deadlineMs });
    if (answer === undefined) return { outcome, capabilities: undefined };
    const result = { outcome, capabilities: controllerCapabilities(answer) };
    // The number after the call: the call itself may have been what made the connection.
    this.#known = { connections: connection.connections, result };
    return result;
  }

  /**
   * Where these volumes are published, as the storage says. Final UNIMPLEMENTED if the driver does
   * not list published nodes: then a listing without a node proves nothing (CSI, ListVolumes).
   */
  async publishedNodes(handles: readonly string[]): Promise<Extract<Reply, { target: 'csi' }>> {
    const { outcome, capabilities } = await this.capabilities();
    if (capabilities === undefined) return { target: 'csi', outcome, publishedNodes: new Map() };
    if (!capabilities.listVolumes || !capabilities.listVolumesPublishedNodes) {
      const missing = failed('UNIMPLEMENTED', 'the driver does not list published nodes');
      return { target: 'csi', outcome: missing, publishedNodes: new Map() };
    }
    return { target: 'csi', ...(await listPublishedNodes({ ...this.#options, handles })) };
  }

  /** What the storage says of one volume from now on; by a pass over all if need be. */
  async volumeHealth(handle: string): Promise<HealthRead> {
    const { outcome, offer } = await this.healthOffer();
    if (offer === undefined) return { outcome };
    if (offer.get === 'none') return healthInListing(await this.listHealth(), handle);
    const read = await getVolumeHealth(this.#options, offer, handle);
    if (isMissing(read.outcome)) this.#unlearnHealth({ get: 'none' });
    return read;
  }

  /** One pass over the driver's listing that begins from now on; passes never overlap. */
  listHealth(): Promise<HealthListing> {
    return this.#healthPass.fresh();
  }

  /** Undefined while the driver does not tell. */
  async healthOffer(): Promise<{ readonly outcome: Outcome; readonly offer?: HealthOffer }> {
    const { outcome, capabilities } = await this.capabilities();
    if (capabilities === undefined) return { outcome };
    return { outcome, offer: { ...healthOffer(capabilities), ...this.#known?.unserved } };
  }

  async #listHealth(): Promise<HealthListing> {
    const { outcome, offer } = await this.healthOffer();
    if (offer === undefined) return { outcome, volumes: new Map(), omitsHealthy: false };
    const listing = await listVolumeHealth(this.#options, offer);
    if (isMissing(listing.outcome)) this.#unlearnHealth({ list: 'none' });
    // Some drivers list volumes without the condition that they advertise, and give it by name.
    if (offer.get !== 'none' && isMute(listing)) this.#unlearnHealth({ list: 'none' });
    return listing;
  }

  /** A capability that is not served is none; CSI forbids to try again. */
  #unlearnHealth(unserved: Partial<Record<keyof HealthOffer, 'none'>>): void {
    if (this.#known === undefined) return;
    this.#known = { ...this.#known, unserved: { ...this.#known.unserved, ...unserved } };
  }
}

/** Carries out what an action asked of the driver. Never rejects. */
export async function performCsi(controller: CsiController, effect: CsiEffect): Promise<Reply> {
  switch (effect.call) {
    case 'PublishedNodes':
      return controller.publishedNodes(effect.handles);
    case 'VolumeHealth': {
      const read = await controller.volumeHealth(effect.handle);
      return { target: 'csi', publishedNodes: new Map(), ...read };
    }
  }
}

/** There was something to be said, and not one word on it came. */
function isMute({ volumes }: HealthListing): boolean {
  const words = [...volumes.values()];
  return words.length > 0 && words.every(({ status }) => status === 'Unknown');
}

function isMissing(outcome: Outcome): boolean {
  return outcome.kind === 'Failed' && outcome.code === 'UNIMPLEMENTED';
}
