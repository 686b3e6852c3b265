import { setTimeout as sleep } from 'node:timers/promises';
import { NbdClient, NbdError } from '../array/nbd-client.ts';
import { healthy, type Health } from './health.ts';

export interface NodePathOptions {
  readonly nodeId: string;
  /** `host:port` */
  readonly arrayNbd: string;
  /** How long it waits for the array before it calls it unreachable; default 2 s. */
  readonly pathDeadlineMs?: number | undefined;
}

/** One node's way to the data, found out by going it: opens the volume and reads from it. */
export class NodePath {
  readonly #options: NodePathOptions;

  constructor(options: NodePathOptions) {
    this.#options = options;
  }

  async volumeHealth(handle: string): Promise<Health> {
    return (await this.#try(handle)) ?? healthy;
  }

  /** Whether the array answers on the data path, whatever it says: no volume is without a name. */
  async storageHealth(): Promise<Health> {
    const found = await this.#try('');
    if (found === undefined || found.reason === 'NO_EXPORT') return healthy;
    return { ...found, reason: 'StorageUnreachable' };
  }

  /**
   * As `umount` does it: an array that says no, or is known to be gone, loses what was not written;
   * one that is silent is waited for, however long that takes.
   */
  async flush(handle: string): Promise<void> {
    while ((await this.#try(handle))?.reason === 'DEADLINE') await sleep(100);
  }

  /** Undefined: it worked. */
  async #try(handle: string): Promise<Health | undefined> {
    const { arrayNbd: address, nodeId, pathDeadlineMs: deadlineMs = 2_000 } = this.#options;
    const exportName = `${handle}@${nodeId}`;
    let client: NbdClient | undefined;
    try {
      client = await NbdClient.connect({ address, exportName, deadlineMs });
      await client.read(0, 512);
      return undefined;
    } catch (error: unknown) {
      if (!(error instanceof NbdError)) throw error;
      const message = `${handle === '' ? 'the array' : handle}: ${error.message}`;
      return { status: 'Inaccessible', reason: error.code, message };
    } finally {
      client?.close();
    }
  }
}
