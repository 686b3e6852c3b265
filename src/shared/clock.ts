/** Milliseconds on our own monotonic clock. Never compared with another machine's clock. */
export type Instant = number;

/** Where time comes from. Everything that waits or stamps takes one, so that tests own the time. */
export interface Clock {
  /** Monotonic milliseconds; never goes back, not related to the time of day. */
  now(): Instant;
  /** Wall-clock milliseconds since 1970, for records that people read; never for durations. */
  wallTime(): number;
  /**
   * Resolves after at least `durationMs`; resolves early, without an error, when `signal` aborts.
   */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `durationMs`; the returned function cancels. */
  after(durationMs: number, callback: () => void): () => void;
}
