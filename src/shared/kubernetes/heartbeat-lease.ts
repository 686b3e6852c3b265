import type { Clock } from '../clock.ts';
import type { JsonObject, KubernetesEffect } from '../effect.ts';
import { driverLabel, fenceAnnotation, heartbeatLease, reportAnnotation } from '../names.ts';
import { type Outcome, outcomeOfHttp } from '../outcome.ts';
import { heartbeatHolder } from '../record.ts';
import type { KubernetesReply } from './client.ts';
import { objectIn, textIn } from '../untrusted-json.ts';
import { type LeaseRecord, leaseHolding, readLease } from './lease-record.ts';

export interface HeartbeatLeaseOptions {
  /** performKubernetes over a transport of its own. */
  readonly perform: (effect: KubernetesEffect, deadlineMs: number) => Promise<KubernetesReply>;
  readonly namespace: string;
  readonly driver: string;
  readonly node: string;
  readonly bootId: string;
  /** leaseDurationSeconds: for people and tools; nobody of ours decides by it. */
  readonly durationMs: number;
  readonly clock: Clock;
}

export interface Heartbeat {
  /** Done: this renewal stands in the Lease. */
  readonly outcome: Outcome;
  /**
   * The fence annotation as it stood when the Lease was last read or written, untouched;
   * undefined if there is none. Known also after a failed renewal, if ever.
   */
  readonly fence: string | undefined;
}

/** Who lost the race for a compare-and-swap looks again this many times before it gives up. */
const maxTries = 3;

/**
 * The agent's own Lease, renewed by compare-and-swap: the controller's fence record is written
 * into the same object, so neither can overwrite what the other has not seen. Writes the holder,
 * the times and the report; carries everything else forward as it was read.
 */
export class HeartbeatLease {
  readonly #options: HeartbeatLeaseOptions;
  /** The Lease as we know it; undefined if it was never read or does not exist. */
  #lease: LeaseRecord | undefined;
  #missing = false;
  #fence: string | undefined;

  constructor(options: HeartbeatLeaseOptions) {
    this.#options = options;
  }

  /** One heartbeat with this report; never rejects. One at a time. */
  async renew(report: string, deadlineMs: number): Promise<Heartbeat> {
    const { clock } = this.#options;
    const deadlineAt = clock.now() + deadlineMs;
    let reply: KubernetesReply | undefined;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const leftMs = deadlineAt - clock.now();
      if (reply !== undefined && leftMs <= 0) break;
      reply = await this.#try(report, leftMs);
      if (reply.status !== 409 && reply.status !== 404) break;
    }
    const status = reply?.status ?? 0;
    return { outcome: outcomeOfHttp(status, textIn(reply?.body?.message)), fence: this.#fence };
  }

  /** One attempt; after 404 or 409 what we know is forgotten, so that the next one reads. */
  async #try(report: string, deadlineMs: number): Promise<KubernetesReply> {
    if (this.#lease === undefined && !this.#missing) {
      const read = await this.#perform({ verb: 'get' }, deadlineMs);
      if (read.status === 200) this.#know(readLease(read.body));
      else if (read.status === 404) this.#know(undefined);
      else return read;
    }
    const verb = this.#missing ? 'create' : 'update';
    const reply = await this.#perform({ verb, body: this.#body(report) }, deadlineMs);
    if (reply.status === 200 || reply.status === 201) {
      this.#know(readLease(reply.body));
    } else if (reply.status === 404 || reply.status === 409) {
      this.#lease = undefined;
      // A create that answers 404 misses the namespace: reading again tells nothing new.
      this.#missing = false;
    }
    return reply;
  }

  #body(report: string): JsonObject {
    const { namespace, driver, node, bootId, durationMs, clock } = this.#options;
    return leaseHolding(this.#lease?.json, {
      namespace,
      name: heartbeatLease(driver, node),
      labels: { [driverLabel]: driver },
      annotations: { [reportAnnotation]: report },
      holder: heartbeatHolder(node, bootId),
      durationMs,
      wallTime: clock.wallTime(),
    });
  }

  #know(lease: LeaseRecord | undefined): void {
    this.#lease = lease;
    this.#missing = lease === undefined;
    const annotations = objectIn(objectIn(lease?.json.metadata).annotations);
    const fence = annotations[fenceAnnotation];
    this.#fence = typeof fence === 'string' ? fence : undefined;
  }

  #perform(
    request: { verb: 'get' } | { verb: 'create' | 'update'; body: JsonObject },
    deadlineMs: number,
  ): Promise<KubernetesReply> {
    const { perform, namespace, driver, node } = this.#options;
    const name = heartbeatLease(driver, node);
    return perform(
      { target: 'kubernetes', resource: 'leases', namespace, name, ...request },
      deadlineMs,
    );
  }
}
