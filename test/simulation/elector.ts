/** Leader election of one replica on the model: the rules of src/shared/kubernetes/leader-lease. */
import type { JsonObject } from '../../src/shared/effect.ts';
import {
  type LeaseRecord,
  leaseHolding,
  readLease,
} from '../../src/shared/kubernetes/lease-record.ts';
import { driverLabel, leaderLease } from '../../src/shared/names.ts';
import type { Api } from './api.ts';
import type { Party } from './network.ts';
import type { KubernetesReply } from './requests.ts';

const durationMs = 10_000;
const renewDeadlineMs = 6_000;
const retryMs = 2_000;

export interface ElectorOptions {
  readonly api: Api;
  readonly party: Party;
  readonly driver: string;
  readonly identity: string;
  /** Whether the process that asked still lives, so that an answer means anything. */
  readonly isAlive: () => boolean;
  readonly wallTime: () => number;
}

/** All moments here are by the clock of its replica. */
export class Elector {
  leading = false;
  renewal = '';
  readonly #options: ElectorOptions;
  readonly #leaseName: string;
  #lease: LeaseRecord | undefined;
  #certain = false;
  #observedAt = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #nextAt = 0;
  #busy = false;
  /** Answers that have arrived, for the next step: a frozen process reads nothing. */
  #inbox: ((now: number) => void)[] = [];

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#leaseName = leaderLease(options.driver);
  }

  valid(now: number): boolean {
    return this.leading && now - this.#renewedAt < durationMs;
  }

  get nextAt(): number {
    if (this.#inbox.length > 0) return 0;
    return this.leading ? Math.min(this.#nextAt, this.#renewedAt + renewDeadlineMs) : this.#nextAt;
  }

  /** Answers whether anything changed that the core must be told. */
  step(now: number): boolean {
    const { leading, renewal } = this;
    if (this.#inbox.length > 0) this.#takeIn(now);
    if (this.leading && now - this.#renewedAt >= renewDeadlineMs) this.leading = false;
    if (!this.#busy && now >= this.#nextAt) {
      this.#nextAt = now + retryMs;
      if (this.leading && this.#certain) this.#write(now);
      else this.#look();
    }
    return leading !== this.leading || renewal !== this.renewal;
  }

  #takeIn(now: number): void {
    const arrived = this.#inbox;
    this.#inbox = [];
    for (const take of arrived) take(now);
  }

  #look(): void {
    this.#send({ verb: 'get' }, (reply, now) => {
      if (reply.status === 200) this.#observe(readLease(reply.body), now);
      else if (reply.status === 404) this.#observe(undefined, now);
      else return;
      if (this.#mayTake(now)) this.#write(now);
    });
  }

  #observe(lease: LeaseRecord | undefined, now: number): void {
    if (lease?.resourceVersion !== this.#lease?.resourceVersion) this.#observedAt = now;
    this.#lease = lease;
    if (lease?.holder !== this.#options.identity) this.leading = false;
  }

  #mayTake(now: number): boolean {
    const lease = this.#lease;
    if (lease === undefined || lease.holder === '') return true;
    if (lease.holder === this.#options.identity) return true;
    return now >= this.#observedAt + lease.durationMs;
  }

  #write(sentAt: number): void {
    const { identity, driver, wallTime } = this.#options;
    const body = leaseHolding(this.#lease?.json, {
      namespace: 'default',
      name: this.#leaseName,
      labels: { [driverLabel]: driver },
      holder: identity,
      durationMs,
      wallTime: wallTime(),
    });
    const verb = this.#lease === undefined ? 'create' : 'update';
    this.#send({ verb, body }, (reply, now) => {
      this.#certain = reply.status === 200 || reply.status === 201;
      if (this.#certain) {
        this.#renewedAt = sentAt;
        this.#observe(readLease(reply.body), now);
        this.renewal = this.#lease?.resourceVersion ?? '';
        // An answer that comes too late is no right to lead.
        this.leading = now - sentAt < renewDeadlineMs;
      } else if (reply.status === 409 || reply.status === 404) this.#look();
    });
  }

  #send(
    request: { verb: 'get' } | { verb: 'create' | 'update'; body: JsonObject },
    take: (reply: KubernetesReply, now: number) => void,
  ): void {
    const { api, party, isAlive } = this.#options;
    const name = this.#leaseName;
    const place = { target: 'kubernetes', resource: 'leases', namespace: 'default', name } as const;
    this.#busy = true;
    api.call({
      from: party,
      effect: { ...place, ...request },
      deadlineMs: renewDeadlineMs / 2,
      onReply: (reply) => {
        if (!isAlive()) return;
        this.#inbox.push((now) => {
          this.#busy = false;
          take(reply, now);
        });
      },
    });
  }
}
