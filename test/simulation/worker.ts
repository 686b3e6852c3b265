/** Runs the seeds that it is sent, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import { runSeed } from './run.ts';
import type { Order, Told } from './seed-thread.ts';

const coverage = workerData === 'covered' ? await Coverage.start() : undefined;

function run(seed: number): Told {
  const { violations, episodes, moves, simulatedMs, faults } = runSeed(seed);
  const kinds = faults.map(({ kind }) => kind);
  return { seed, violations, episodes, moves, simulatedMs, kinds };
}

parentPort?.on('message', (order: Order) => {
  if (order !== 'reach') parentPort?.postMessage(run(order), []);
  else void coverage?.take().then((reach) => parentPort?.postMessage(reach, []));
});
