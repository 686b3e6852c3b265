import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiClient } from '../machine/api-client.ts';

/** Somebody who should always answer. */
export interface Watched {
  readonly name: string;
  readonly access: ApiAccess;
  /** What to ask for. */
  readonly path: string;
}

export interface StallOptions {
  readonly everyMs?: number;
  /** What takes no longer is not told. */
  readonly tolerableMs?: number;
}

/** Longer than any of them may ever be silent. */
const deadlineMs = 120_000;

/**
 * Asks each of them again and again, and tells in a sentence of each answer that took long: a test that
 * waited in vain meanwhile has not found a mistake of the product. Ends when it is disposed of.
 */
export function watchForStalls(
  servers: readonly Watched[],
  tell: (sentence: string) => void,
  { everyMs = 500, tolerableMs = 2_000 }: StallOptions = {},
): Disposable {
  const ended = new AbortController();
  for (const server of servers) void watch(server, ended.signal);
  return { [Symbol.dispose]: () => ended.abort() };

  async function watch({ name, access, path }: Watched, signal: AbortSignal): Promise<void> {
    using client = new ApiClient(access, deadlineMs);
    signal.addEventListener('abort', () => client.close());
    while (!signal.aborted) {
      const start = Date.now();
      const { status, message } = await client.call('GET', path);
      const took = Date.now() - start;
      if (took > tolerableMs && !signal.aborted) {
        const answer = status === 200 ? '' : `: ${message}`;
        const from = new Date(start).toISOString();
        tell(`${name} gave no answer for ${(took / 1_000).toFixed(1)} s from ${from}${answer}`);
      }
      await sleep(everyMs, undefined, { ref: false });
    }
  }
}
