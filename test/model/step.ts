import type { ResourceName } from './objects.ts';
import type { Store, Version } from './store.ts';

/** What every modelled controller gets on each step. */
export interface StepContext {
  readonly store: Store;
  /** Monotonic milliseconds, the same for all controllers of one control plane. */
  readonly now: number;
}

/**
 * Lets a controller sleep through steps in which nothing that it reads has changed and none of its
 * timers is due. Its own writes count as changes, so it always looks once more after acting.
 */
export class Gate {
  readonly #resources: readonly ResourceName[];
  /** Of this store's resources; looked up once, because gates are asked in every step. */
  #store: Store | undefined;
  #versions: readonly Version[] = [];
  /** The whole store's when it was asked last: in most steps nothing at all has changed. */
  #asOf = -1;
  #version = -1;
  #wakeAt = Number.NEGATIVE_INFINITY;

  constructor(...resources: readonly ResourceName[]) {
    this.#resources = resources;
  }

  /** Whether to work in this step; if so, the next wake-up must be set again by `wakeAt`. */
  open({ store, now }: StepContext): boolean {
    const isSame = store === this.#store && store.resourceVersion === this.#asOf;
    if (isSame && now < this.#wakeAt) return false;
    this.#asOf = store.resourceVersion;
    if (store !== this.#store) {
      this.#store = store;
      this.#versions = this.#resources.map((resource) => store.versionOf(resource));
    }
    let version = 0;
    for (const { newest } of this.#versions) if (newest > version) version = newest;
    if (version === this.#version && now < this.#wakeAt) return false;
    this.#version = version;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    return true;
  }

  /** The earliest of all moments given since the gate opened counts. */
  wakeAt(moment: number): void {
    this.#wakeAt = Math.min(this.#wakeAt, moment);
  }
}
