import type { Backoff } from './watch-plan.ts';

/** The times and sizes of a reflector; tests make them short. */
export interface ReflectorSettings {
  readonly pageSize: number;
  /** For each page of a list. */
  readonly listMs: number;
  /** To the answer to a watch. */
  readonly openMs: number;
  /** A stream without a byte for this long is taken for dead. */
  readonly silenceMs: number;
  /** To the bookmark that ends the initial events of a watch-list. */
  readonly initialMs: number;
  /** How soon an orderly ended watch must be open again before it counts as lost. */
  readonly resumeMs: number;
  /** The server is asked to end a watch after between one and two times this. */
  readonly watchMs: number;
  readonly backoff: Backoff;
}

export const defaultReflectorSettings: ReflectorSettings = {
  pageSize: 250,
  listMs: 30_000,
  openMs: 10_000,
  // The server sends a bookmark about once a minute (apiserver cacher: bookmarkFrequency).
  silenceMs: 90_000,
  initialMs: 30_000,
  resumeMs: 1000,
  // As client-go (tools/cache/reflector.go: minWatchTimeout).
  watchMs: 300_000,
  backoff: { minMs: 100, maxMs: 5000, goodAfterMs: 10_000 },
};
