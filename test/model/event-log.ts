/** What happened to the objects of one resource, in order: what watches are served from. */
import type { Objects, ResourceName } from './objects.ts';

export interface StoreEvent<R extends ResourceName = ResourceName> {
  /** The store's resource version right after this change; unique. */
  readonly rv: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: R;
  /** The object after the change; for DELETED its last state, with the deletion's version. */
  readonly object: Objects[R];
  /** The object before the change; absent for ADDED. */
  readonly old?: Objects[R];
}

/** The events of one resource; forgets the oldest beyond `keep`. */
export class EventLog {
  readonly #keep: number;
  #events: StoreEvent[] = [];
  #floor = 0;

  constructor(keep: number) {
    this.#keep = keep;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
    // Twice the bound, then cut in half: appending stays O(1) on average.
    if (this.#events.length > 2 * this.#keep) {
      this.compact(this.#events[this.#events.length - this.#keep - 1]?.rv ?? 0);
    }
  }

  /** Forgets everything up to and including `rv`. */
  compact(rv: number): void {
    if (rv <= this.#floor) return;
    this.#floor = rv;
    this.#events = this.#events.slice(this.#firstAfter(rv));
  }

  /** Undefined if events after `rv` were forgotten. */
  since(rv: number): readonly StoreEvent[] | undefined {
    if (rv < this.#floor) return undefined;
    const last = this.#events.length - 1;
    // Who follows closely misses one event at most.
    if ((this.#events[last]?.rv ?? 0) <= rv) return [];
    if ((this.#events[last - 1]?.rv ?? 0) <= rv) return this.#events.slice(last);
    return this.#events.slice(this.#firstAfter(rv));
  }

  #firstAfter(rv: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.rv ?? 0) <= rv) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
