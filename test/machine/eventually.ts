import { setTimeout as sleep } from 'node:timers/promises';

export interface Patience {
  /** What is waited for, in words that complete "waited for". */
  readonly what: string;
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/**
 * Asks until the answer is neither undefined nor false, and rejects with what was waited for and
 * the last error when the time is over.
 */
export async function eventually<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  { what, withinMs = 15_000, everyMs = 50 }: Patience,
): Promise<T> {
  const end = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error: unknown) {
      last = error;
    }
    if (performance.now() >= end) {
      const because = Error.isError(last) ? `: ${last.message}` : '';
      throw new Error(`waited ${withinMs / 1000} s for ${what}${because}`, { cause: last });
    }
    await sleep(everyMs);
  }
}
