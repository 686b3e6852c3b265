import { oneLine, type VolumeHealth } from '../health.ts';
import type { Outcome } from '../outcome.ts';
import type { StorageReport } from '../record.ts';
import type { CsiConnection } from './connection.ts';
import { healthOfCondition, healthOfStatuses } from './health-words.ts';
import type { StorageHealth } from './messages.ts';
import { type NodeCapabilities, readNodeCapabilities } from './node.ts';

/** A volume as the driver's node service knows it. */
export interface VolumePlace {
  readonly handle: string;
  /** Where the pod finds it. */
  readonly publishPath: string;
  /** Empty if it is not staged. */
  readonly stagingPath: string;
}

/** What this driver can be asked on a node. */
export interface HealthOffer {
  /** `health` is CSI 1.13, `condition` what came before it. */
  readonly volumes: 'health' | 'condition' | 'none';
  readonly storage: boolean;
}

export interface NodeHealthOptions {
  readonly connection: CsiConnection;
  /** For each single call. */
  readonly deadlineMs: number;
}

/**
 * The health calls of a driver's node service, in whichever generation of CSI it speaks. What it
 * says that it can do is read again after each reconnect, and forgotten where it proves untrue.
 */
export class CsiNodeHealth {
  readonly #options: NodeHealthOptions;
  #known: { readonly connections: number; readonly capabilities: NodeCapabilities } | undefined;

  constructor(options: NodeHealthOptions) {
    this.#options = options;
  }

  /** Undefined if the driver did not tell: not the same as "nothing". */
  async offer(): Promise<HealthOffer | undefined> {
    const { connection, deadlineMs } = this.#options;
    if (this.#known?.connections !== connection.connections) {
      const { capabilities } = await readNodeCapabilities(connection, deadlineMs);
      if (capabilities === undefined) return undefined;
      // The number after the call: the call itself may have been what made the connection.
      this.#known = { connections: connection.connections, capabilities };
    }
    return offerOf(this.#known.capabilities);
  }

  /** By the offer's dialect. `health` is there exactly if the outcome is Done. */
  async volume(place: VolumePlace): Promise<{ outcome: Outcome; health?: VolumeHealth }> {
    const { connection } = this.#options;
    const { handle, publishPath, stagingPath } = place;
    const isStaged = this.#known?.capabilities.stageUnstage === true && stagingPath !== '';
    const request = {
      volume_id: handle,
      ...(isStaged ? { staging_target_path: stagingPath } : {}),
    };
    if (this.#known?.capabilities.volumeHealth === true) {
      const asked = { ...request, volume_publish_path: publishPath };
      const path = '/csi.v1.Node/NodeGetVolumeHealth';
      const { outcome, answer } = await connection.call(path, asked, this.#options);
      if (answer !== undefined) return { outcome, health: healthOfStatuses(answer.volume_health) };
      this.#unlearn(outcome, { volumeHealth: false });
      return { outcome };
    }
    const asked = { ...request, volume_path: publishPath };
    const path = '/csi.v1.Node/NodeGetVolumeStats';
    const { outcome, answer } = await connection.call(path, asked, this.#options);
    if (answer !== undefined) {
      return { outcome, health: healthOfCondition(answer.volume_condition) };
    }
    this.#unlearn(outcome, { volumeCondition: false });
    return { outcome };
  }

  /** The node's way to the storage; without `storage` nothing was said of it that we understand. */
  async storage(): Promise<{ outcome: Outcome; storage?: StorageReport }> {
    const path = '/csi.v1.Node/NodeGetStorageHealth';
    const { outcome, answer } = await this.#options.connection.call(path, {}, this.#options);
    if (answer === undefined) {
      this.#unlearn(outcome, { storageHealth: false });
      return { outcome };
    }
    const storage = storageOf(answer.backend_health ?? []);
    return storage === undefined ? { outcome } : { outcome, storage };
  }

  /** A capability that is not served is none; CSI forbids to try again. */
  #unlearn(outcome: Outcome, wrong: Partial<NodeCapabilities>): void {
    if (outcome.kind !== 'Failed' || outcome.code !== 'UNIMPLEMENTED') return;
    if (this.#known === undefined) return;
    this.#known = {
      ...this.#known,
      capabilities: { ...this.#known.capabilities, ...wrong },
    };
  }
}

/**
 * NodeGetVolumeStats has to be served with either GET_VOLUME_STATS or VOLUME_CONDITION, but only
 * the latter says that its condition means anything (CSI 1.12, NodeGetVolumeStats): some drivers
 * always send one that is healthy.
 */
function offerOf(capabilities: NodeCapabilities): HealthOffer {
  const { volumeHealth, volumeCondition, storageHealth } = capabilities;
  const volumes = volumeHealth ? 'health' : volumeCondition ? 'condition' : 'none';
  return { volumes, storage: storageHealth };
}

/**
 * StorageHealthErrorType: 1 degraded, 2 unreachable. An unknown one is no sign of health. What is
 * out of reach for one kind of volume only may do for the others: that is not the way of them all.
 */
function storageOf(said: readonly (StorageHealth | null)[]): StorageReport | undefined {
  const isForAll = (entry: StorageHealth | null): boolean => !entry?.volume_capability;
  const lost = said.find((entry) => entry?.status === 2 && isForAll(entry));
  const worst = lost ?? said.find((entry) => entry?.status === 2 || entry?.status === 1);
  if (!worst) return said.length === 0 ? { status: 'ok', reason: '', message: '' } : undefined;
  return {
    status: worst === lost ? 'unreachable' : 'degraded',
    reason: oneLine(worst.reason),
    message: oneLine(worst.message),
  };
}
