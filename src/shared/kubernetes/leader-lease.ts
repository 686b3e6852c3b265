import type { Clock, Instant } from '../clock.ts';
import type { JsonObject, KubernetesEffect } from '../effect.ts';
import type { Logger } from '../log.ts';
import { driverLabel, leaderLease } from '../names.ts';
import type { KubernetesReply } from './client.ts';
import { describe } from './http-message.ts';
import { leaseHolding, type LeaseRecord, readLease } from './lease-record.ts';

export interface LeaderLeaseOptions {
  /** performKubernetes over a transport of its own: a renewal must not wait behind other work. */
  readonly perform: (effect: KubernetesEffect, deadlineMs: number) => Promise<KubernetesReply>;
  readonly namespace: string;
  readonly driver: string;
  /** Unique to this process, not only to this pod. */
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Called when anything in it changed; each renewal changes the resourceVersion. */
  readonly onChange: (leadership: Leadership) => void;
}

export interface Leadership {
  readonly leading: boolean;
  /** Empty if nobody holds the lease, as far as we know. */
  readonly holder: string;
  /** Of the Lease as we know it: our renewal, once it is back through a watch, shows the same. */
  readonly resourceVersion: string;
}

/**
 * Leader election by Lease with the rules of client-go (tools/leaderelection): another holder's
 * lease has expired when *we* have seen no change of it for its duration, by our own monotonic
 * clock; its timestamps are never compared with ours. Losing it ends nothing: it keeps trying.
 *
 * Like every lease it excludes nobody for certain; what is done under it needs preconditions.
 * It speaks JSON rather than the typed API, which would drop fields that it does not know from a
 * Lease that we only renew, and whose MicroTimes are strings that claim to be dates.
 */
export class LeaderLease {
  readonly #options: LeaderLeaseOptions;
  readonly #name: string;
  readonly #stopped = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #lease: LeaseRecord | undefined;
  /** Whether `#lease` is what our last write answered: then the next one needs no read. */
  #certain = false;
  /** When we first saw the current state of the Lease. */
  #observedAt: Instant = 0;
  /** When the last renewal that was acknowledged had been *sent*: before it took effect. */
  #renewed: { readonly at: Instant; readonly wallTime: number } | undefined;
  #leading = false;
  #told: Leadership = { leading: false, holder: '', resourceVersion: '' };
  #cancelDeadline = (): void => {};

  constructor(options: LeaderLeaseOptions) {
    this.#options = options;
    this.#name = leaderLease(options.driver);
  }

  start(): void {
    this.#running = this.#run();
  }

  /**
   * Stops trying and gives the lease back, so that the next leader need not wait for its end.
   * Call it when everything that was done under the lease has come to its end.
   */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    const held = this.#leading;
    this.#resign();
    if (held) await this.#release();
  }

  /**
   * Whether nobody else can have taken the lease: we lead, and by the monotonic as well as by the
   * wall clock less than its duration has passed since the last acknowledged renewal was sent.
   * The monotonic clock stands still while the machine sleeps, the wall clock does not; one that
   * was set back proves nothing, so that does not count as valid either.
   */
  valid(): boolean {
    const { clock, leaseDurationMs } = this.#options;
    if (!this.#leading || this.#renewed === undefined) return false;
    const elapsedMs = clock.now() - this.#renewed.at;
    const wallElapsedMs = clock.wallTime() - this.#renewed.wallTime;
    return elapsedMs < leaseDurationMs && wallElapsedMs < leaseDurationMs && wallElapsedMs > -1000;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopped.signal.aborted) {
      await this.#attempt();
      await clock.sleep(this.#pauseMs(), this.#stopped.signal);
    }
  }

  /** A standby looks again when the lease that it sees would expire, or earlier. */
  #pauseMs(): number {
    const { retryPeriodMs, clock, random } = this.#options;
    if (this.#leading) return retryPeriodMs;
    const jitteredMs = retryPeriodMs * (1 + random() / 2);
    if (this.#lease === undefined) return jitteredMs;
    const leftMs = this.#expiresAt(this.#lease) - clock.now();
    return leftMs <= 0 ? jitteredMs : Math.min(jitteredMs, leftMs + 1);
  }

  async #attempt(): Promise<void> {
    const known = this.#leading && this.#certain;
    if (!known && !(await this.#look())) return;
    if (this.#mayTake()) await this.#write();
  }

  /** Reads the Lease; false if it could not be read. A missing one is known as undefined. */
  async #look(): Promise<boolean> {
    const reply = await this.#perform({ verb: 'get' });
    if (reply.status === 404) this.#observe(undefined);
    else if (reply.status === 200) this.#observe(readLease(reply.body));
    return reply.status === 404 || reply.status === 200;
  }

  #observe(lease: LeaseRecord | undefined): void {
    const changed = lease?.resourceVersion !== this.#lease?.resourceVersion;
    if (changed) this.#observedAt = this.#options.clock.now();
    this.#lease = lease;
    if (this.#leading && lease?.holder !== this.#options.identity) this.#resign();
    else this.#tell();
  }

  #mayTake(): boolean {
    const lease = this.#lease;
    if (lease === undefined || lease.holder === '') return true;
    if (lease.holder === this.#options.identity) return true;
    return this.#options.clock.now() >= this.#expiresAt(lease);
  }

  #expiresAt(lease: LeaseRecord): Instant {
    return this.#observedAt + lease.durationMs;
  }

  /** Creates, takes or renews: by compare-and-swap, so that of several only one succeeds. */
  async #write(): Promise<void> {
    const { clock, identity, leaseDurationMs } = this.#options;
    const sent = { at: clock.now(), wallTime: clock.wallTime() };
    const reply = await this.#put(identity, leaseDurationMs);
    this.#certain = reply.status === 200 || reply.status === 201;
    if (this.#certain) {
      this.#renewed = sent;
      // An answer that comes too late, because we did not run, is no right to lead.
      if (clock.now() - sent.at < this.#options.renewDeadlineMs) this.#hold();
      this.#observe(readLease(reply.body));
    } else if (reply.status === 409 || reply.status === 404) {
      // Somebody else wrote it: a person's annotation, or a new leader.
      await this.#look();
    }
  }

  #put(holder: string, durationMs: number): Promise<KubernetesReply> {
    const { namespace, driver, clock } = this.#options;
    const body = leaseHolding(this.#lease?.json, {
      namespace,
      name: this.#name,
      labels: { [driverLabel]: driver },
      holder,
      durationMs,
      wallTime: clock.wallTime(),
    });
    return this.#perform({ verb: this.#lease === undefined ? 'create' : 'update', body });
  }

  #hold(): void {
    const { clock, renewDeadlineMs, log, identity } = this.#options;
    if (!this.#leading) log.info({ identity, lease: this.#name }, 'leading');
    this.#leading = true;
    this.#cancelDeadline();
    const sentAt = this.#renewed?.at ?? clock.now();
    const leftMs = sentAt + renewDeadlineMs - clock.now();
    this.#cancelDeadline = clock.after(leftMs, () => this.#resign());
  }

  #resign(): void {
    const { log, identity } = this.#options;
    this.#cancelDeadline();
    if (this.#leading) log.info({ identity, lease: this.#name }, 'not leading any more');
    this.#leading = false;
    this.#tell();
  }

  async #release(): Promise<void> {
    if (this.#lease?.holder !== this.#options.identity) return;
    // As client-go: nobody holds it, and whoever looks need not wait.
    await this.#put('', 1000);
  }

  #tell(): void {
    const leadership = {
      leading: this.#leading,
      holder: this.#lease?.holder ?? '',
      resourceVersion: this.#lease?.resourceVersion ?? '',
    };
    const { leading, holder, resourceVersion } = this.#told;
    if (
      leadership.leading === leading &&
      leadership.holder === holder &&
      leadership.resourceVersion === resourceVersion
    ) {
      return;
    }
    this.#told = leadership;
    try {
      this.#options.onChange(leadership);
    } catch (error) {
      this.#options.log.error({ error: describe(error) }, 'a change of leadership was not taken');
    }
  }

  #perform(
    request: { verb: 'get' } | { verb: 'create' | 'update'; body: JsonObject },
  ): Promise<KubernetesReply> {
    const { perform, namespace, renewDeadlineMs } = this.#options;
    const place = {
      target: 'kubernetes',
      resource: 'leases',
      namespace,
      name: this.#name,
    } as const;
    // Half of the renew deadline, as client-go: time for a second attempt stays.
    return perform({ ...place, ...request }, renewDeadlineMs / 2);
  }
}
