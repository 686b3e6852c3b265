/** The one clock of a simulated world, and everything that will happen at a moment of it. */
interface Entry {
  readonly at: number;
  /** Of entries for the same moment the first set is the first run. */
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  now = 0;
  /** A binary heap, the earliest first. */
  #heap: Entry[] = [];
  #order = 0;

  later(delayMs: number, run: () => void): void {
    this.#order += 1;
    const heap = this.#heap;
    const entry = { at: this.now + Math.max(0, delayMs), order: this.#order, run };
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Entry;
      if (!isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  /** When the next entry is due. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Runs whatever is due, also what that sets for now. */
  runDue(): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > this.now) return;
      this.#removeFirst();
      first.run();
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A clock that goes a little wrong: its rate is off, and it began somewhere. */
export class DriftingClock {
  readonly rate: number;
  readonly #timeline: Timeline;
  readonly #offsetMs: number;

  constructor(timeline: Timeline, rate: number, offsetMs: number) {
    this.#timeline = timeline;
    this.rate = rate;
    this.#offsetMs = offsetMs;
  }

  get now(): number {
    return this.#offsetMs + this.#timeline.now * this.rate;
  }

  /** When this clock will show that moment. */
  trueTimeOf(moment: number): number {
    return (moment - this.#offsetMs) / this.rate;
  }
}
