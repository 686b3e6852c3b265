/** Runs the seeds that it is sent, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { sealLightly } from '../model/json.ts';
import { Coverage, type Reach } from './coverage.ts';
import { runSeed } from './run.ts';
import type { Order, Setting, Told } from './seed-thread.ts';

const { covered } = workerData as Setting;
const coverage = covered ? Coverage.start() : undefined;

sealLightly();

function run(seed: number): Told {
  const { violations, episodes, moves, simulatedMs, faults } = runSeed(seed);
  const kinds = faults.map(({ kind }) => kind);
  return { seed, violations, episodes, moves, simulatedMs, kinds };
}

async function answer(order: Order): Promise<Told | Reach | undefined> {
  const started = await coverage;
  return order === 'reach' ? await started?.take() : run(order);
}

parentPort?.on('message', (order: Order) => {
  void answer(order).then((told) => parentPort?.postMessage(told, []));
});
