import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until it is so, however long that takes on a busy computer; `withinMs` only ends what hangs.
 * `machine/eventually.ts` is for what has to be told in words when it does not come.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${String(isSo)}`);
    await sleep(10);
  }
}
