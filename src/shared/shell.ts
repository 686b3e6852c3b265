import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What every part of a running process gets from its entry point, and tests from themselves. */
export interface Shell {
  /** Which replica this is, unlike any other: leader election and Events name it. */
  readonly instance: string;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter only. */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborted when the process was asked to stop: begin nothing new, come to an end in 10 s. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal is aborted, also if it is already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
