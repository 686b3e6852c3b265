import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/shared/system-clock.ts';

describe('the real clock', () => {
  it('never calls back before its moment', async () => {
    for (let round = 0; round < 20; round += 1) {
      const waitMs = 1 + round * 0.37;
      const startedAt = systemClock.now();
      await systemClock.sleep(waitMs);
      expect(systemClock.now() - startedAt).toBeGreaterThanOrEqual(waitMs);
    }
  });

  it('does not fire a wait beyond 32 bits at once, and can take it back', async () => {
    let fired = false;
    const cancel = systemClock.after(2 ** 33, () => {
      fired = true;
    });
    await systemClock.sleep(20);
    cancel();
    expect(fired).toBe(false);
  });

  it('ends a sleep early, without an error, when its signal aborts', async () => {
    const startedAt = systemClock.now();
    const controller = new AbortController();
    const sleeping = systemClock.sleep(60_000, controller.signal);
    controller.abort();
    await sleeping;
    await systemClock.sleep(60_000, controller.signal);
    expect(systemClock.now() - startedAt).toBeLessThan(5000);
  });

  it('tells wall time in milliseconds since 1970', () => {
    expect(Math.abs(systemClock.wallTime() - Date.now())).toBeLessThan(1000);
  });
});
