import type { Instant } from '../shared/clock.ts';

/** A named reason not to act now, with the sentence that people read. */
export interface Hold {
  readonly word: string;
  readonly detail: string;
  /** Tells it from another one of the same word, where people should hear of both. */
  readonly stage?: string;
  /** Set where time alone ends it. */
  readonly until?: Instant;
}

export function hold(word: string, detail: string): Hold {
  return { word, detail };
}
