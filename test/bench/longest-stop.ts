import { readFileSync } from 'node:fs';

/** The longest time in which the event loop did not come round, and what the process did in it. */
export interface Stop {
  readonly ms: number;
  /** Of the main thread. */
  readonly computedMs: number;
  /** Ready to run, while others had the processors: that is the computer's, and not ours. */
  readonly waitedMs: number;
}

const everyMs = 10;

/** Looks from now on; answers what it has found. */
export function watchStops(): () => Stop {
  let longest: Stop = { ms: 0, computedMs: 0, waitedMs: 0 };
  let last = lookNow();
  const timer = setInterval(() => {
    const now = lookNow();
    const ms = now.at - last.at - everyMs;
    if (ms > longest.ms) {
      longest = {
        ms,
        computedMs: now.computedMs - last.computedMs,
        waitedMs: now.waitedMs - last.waitedMs,
      };
    }
    last = now;
  }, everyMs);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

function lookNow(): { at: number; computedMs: number; waitedMs: number } {
  // Nanoseconds on a processor and waiting for one (Documentation/scheduler/sched-stats.rst).
  const [computed = 0, waited = 0] = readFileSync('/proc/self/schedstat', 'utf8')
    .split(' ')
    .map(Number);
  return { at: performance.now(), computedMs: computed / 1e6, waitedMs: waited / 1e6 };
}
