import type { Clock } from '../clock.ts';
import type { CsiEffect, Reply } from '../effect.ts';
import type { Outcome } from '../outcome.ts';
import { failed } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';
import type { ServiceCapabilities } from './messages.ts';
import { listPublishedNodes } from './published-nodes.ts';

/** What the driver's controller service can do, of what we could use. */
export interface ControllerCapabilities {
  readonly publishUnpublish: boolean;
  readonly listVolumes: boolean;
  readonly listVolumesPublishedNodes: boolean;
  readonly getVolume: boolean;
  /** CSI up to 1.12. */
  readonly volumeCondition: boolean;
  /** CSI from 1.13. */
  readonly getVolumeHealth: boolean;
  readonly listVolumeHealth: boolean;
}

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
  #known:
    | { readonly connections: number; readonly result: ControllerCapabilitiesResult }
    | undefined;

  constructor(options: CsiControllerOptions) {
    this.#options = options;
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
}

/** Carries out what an action asked of the driver; so far there is one kind. Never rejects. */
export function performCsi(controller: CsiController, effect: CsiEffect): Promise<Reply> {
  return controller.publishedNodes(effect.handles);
}

/** The enum numbers of a capability listing; nulls and foreign kinds are passed over. */
export function capabilityNumbers(answer: ServiceCapabilities): ReadonlySet<number> {
  const numbers = (answer.capabilities ?? []).map((capability) => capability?.rpc?.type ?? 0);
  return new Set(numbers);
}

/** ControllerServiceCapability.RPC.Type; numbers that are not asked for here are ignored. */
function controllerCapabilities(answer: ServiceCapabilities): ControllerCapabilities {
  const numbers = capabilityNumbers(answer);
  return {
    publishUnpublish: numbers.has(2),
    listVolumes: numbers.has(3),
    listVolumesPublishedNodes: numbers.has(10),
    volumeCondition: numbers.has(11),
    getVolume: numbers.has(12),
    // LIST_VOLUME_HEALTH implies GET_VOLUME_HEALTH.
    getVolumeHealth: numbers.has(16) || numbers.has(17),
    listVolumeHealth: numbers.has(17),
  };
}
