import { CsiConnection } from '../../src/shared/csi/connection.ts';
import { CsiController } from '../../src/shared/csi/controller.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import type { Driver, DriverAnswer } from '../model/attacher.ts';
import { CsiClient } from './csi-client.ts';

/** Below the attacher's own timeout, so that its answer is never taken for a later call's. */
const callDeadlineMs = 14_000;
/** Long enough for the attacher to ask for every volume, and much shorter than its reconcile period. */
const listingWorthMs = 10_000;

interface Listing {
  readonly at: number;
  readonly nodes: readonly string[] | undefined;
}

/** The modelled attacher's way to the driver's real socket: starts calls, and is asked for results. */
export class GrpcDriver implements Driver {
  readonly name: string;
  readonly #client: CsiClient;
  readonly #connection: CsiConnection;
  readonly #controller: CsiController;
  readonly #calls = new Map<string, DriverAnswer>();
  readonly #listings = new Map<string, Listing | 'pending'>();

  constructor(name: string, address: string) {
    this.name = name;
    this.#client = new CsiClient(address);
    this.#connection = new CsiConnection({ address, clock: systemClock });
    this.#controller = new CsiController({
      connection: this.#connection,
      clock: systemClock,
      deadlineMs: callDeadlineMs,
    });
  }

  publish(handle: string, nodeId: string): DriverAnswer {
    return this.#poll('ControllerPublishVolume', handle, nodeId);
  }

  unpublish(handle: string, nodeId: string): DriverAnswer {
    return this.#poll('ControllerUnpublishVolume', handle, nodeId);
  }

  publishedNodes(handle: string): readonly string[] | 'pending' | undefined {
    const listing = this.#listings.get(handle);
    if (listing === 'pending') return 'pending';
    if (listing !== undefined && Date.now() - listing.at < listingWorthMs) return listing.nodes;
    this.#listings.set(handle, 'pending');
    void this.#controller.publishedNodes([handle]).then(({ outcome, publishedNodes }) => {
      const nodes = outcome.kind === 'Done' ? (publishedNodes.get(handle) ?? []) : undefined;
      this.#listings.set(handle, { at: Date.now(), nodes });
    });
    return 'pending';
  }

  close(): void {
    this.#client.close();
    this.#connection.close();
  }

  #poll(
    call: 'ControllerPublishVolume' | 'ControllerUnpublishVolume',
    handle: string,
    nodeId: string,
  ): DriverAnswer {
    const key = JSON.stringify([call, handle, nodeId]);
    const answer = this.#calls.get(key);
    if (answer === undefined) {
      this.#calls.set(key, 'pending');
      this.#client.call(call, { volume_id: handle, node_id: nodeId }, callDeadlineMs).then(
        () => this.#calls.set(key, 'done'),
        (error: unknown) =>
          this.#calls.set(key, { error: Error.isError(error) ? error.message : String(error) }),
      );
      return 'pending';
    }
    if (answer !== 'pending') this.#calls.delete(key);
    return answer;
  }
}
