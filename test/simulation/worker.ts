/** Runs the seeds that it is sent, in a thread of its own. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Order, Setting, Told } from './seed-thread.ts';

const { covered, compiled } = workerData as Setting;
// Before anything is imported that is worth it: most of the time that a thread takes to start.
if (compiled !== undefined) enableCompileCache(compiled);
const { runSeed } = await import('./run.ts');
const { Coverage } = await import('./coverage.ts');
if (compiled !== undefined) flushCompileCache();
const coverage = covered ? await Coverage.start() : undefined;

function run(seed: number): Told {
  const { violations, episodes, moves, simulatedMs, faults } = runSeed(seed);
  const kinds = faults.map(({ kind }) => kind);
  return { seed, violations, episodes, moves, simulatedMs, kinds };
}

parentPort?.on('message', (order: Order) => {
  if (order !== 'reach') parentPort?.postMessage(run(order), []);
  else void coverage?.take().then((reach) => parentPort?.postMessage(reach, []));
});
