/** Leader election of one replica on the model: the rules of src/shared/kubernetes/leader-lease. */
import { driverLabel, leaderLease } from '../../src/shared/names.ts';
import type { Store } from '../model/store.ts';

const durationMs = 10_000;
const retryMs = 2_000;

export class Elector {
  readonly #store: Store;
  readonly #driver: string;
  readonly #identity: string;
  #seenVersion = '';
  #seenAt = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #nextAt = 0;
  leading = false;
  renewal = '';

  constructor(options: { store: Store; driver: string; identity: string }) {
    this.#store = options.store;
    this.#driver = options.driver;
    this.#identity = options.identity;
  }

  valid(now: number): boolean {
    return this.leading && now - this.#renewedAt < durationMs;
  }

  /** Answers whether anything changed that the core must be told. */
  step(now: number): boolean {
    const before = this.leading;
    if (this.leading && now - this.#renewedAt >= 6_000) this.leading = false;
    if (now < this.#nextAt) return before !== this.leading;
    this.#nextAt = now + retryMs;
    const name = leaderLease(this.#driver);
    const lease = this.#store.find('leases', name, 'default');
    if (lease !== undefined && lease.metadata.resourceVersion !== this.#seenVersion) {
      this.#seenVersion = lease.metadata.resourceVersion;
      this.#seenAt = now;
    }
    const holder = lease?.spec?.holderIdentity;
    const mayTake = holder === this.#identity || now - this.#seenAt >= durationMs;
    if (lease !== undefined && !mayTake) {
      this.leading = false;
      return before !== this.leading;
    }
    const spec = {
      holderIdentity: this.#identity,
      renewTime: this.#store.microTimestamp(),
      leaseDurationSeconds: 10,
    };
    const labels = { [driverLabel]: this.#driver };
    const metadata = { namespace: 'default', name, labels };
    const written =
      lease === undefined
        ? this.#store.create('leases', { metadata, spec })
        : this.#store.patch('leases', { namespace: 'default', name }, { spec });
    if (!written.ok) return before !== this.leading;
    this.leading = true;
    this.#renewedAt = now;
    this.#seenVersion = written.object.metadata.resourceVersion;
    this.#seenAt = now;
    this.renewal = this.#seenVersion;
    return true;
  }
}
