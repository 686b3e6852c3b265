/** What befalls whoever sends a chosen request. */
import type { Replica } from './replica.ts';

/** Before the request reaches the server, or after it was carried out and before its answer. */
export type Kill = 'before' | 'after';

/** What happens at one request of a replica that changes something. */
export interface Interruption {
  readonly write: number;
  readonly when: Kill;
  /** It dies, if nothing else is said; answers whether the request still goes on. */
  readonly how?: ((replica: Replica) => boolean) | undefined;
}

export function die(replica: Replica): boolean {
  replica.crash(20_000);
  return false;
}

/** Nothing. */
export const goOn: Partial<Interruption> = {};
