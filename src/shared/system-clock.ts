import type { Clock } from './clock.ts';

/**
 * setTimeout takes 32 bits; longer waits would fire at once. It also rounds down, so a timer is
 * armed once more if it fires a fraction of a millisecond before its moment.
 */
const longestTimerMs = 2 ** 31 - 1;

/**
 * The real clock. `now()` is the kernel's CLOCK_MONOTONIC: no time step moves it, and it stands
 * still while the whole machine sleeps, which is why the reconciler compares it with wall time.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),

  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const finish = (): void => {
        cancel();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const cancel = systemClock.after(durationMs, finish);
      signal?.addEventListener('abort', finish);
    }),

  after: (durationMs, callback) => {
    const dueAt = performance.now() + durationMs;
    let timer: NodeJS.Timeout;
    const arm = (waitMs: number): void => {
      timer = setTimeout(
        () => {
          const leftMs = dueAt - performance.now();
          if (leftMs > 0) arm(leftMs);
          else callback();
        },
        Math.min(Math.ceil(Math.max(0, waitMs)), longestTimerMs),
      );
    };
    arm(durationMs);
    return () => clearTimeout(timer);
  },
};
