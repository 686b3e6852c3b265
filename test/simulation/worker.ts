/** Runs the seeds that it is sent, in a thread of its own. */
import { parentPort } from 'node:worker_threads';
import type { Told } from './pool.ts';
import { runSeed } from './run.ts';

parentPort?.on('message', (seed: number) => {
  const before = process.threadCpuUsage();
  const { violations, episodes, moves, simulatedMs, faults } = runSeed(seed);
  const { user, system } = process.threadCpuUsage(before);
  const kinds = faults.map(({ kind }) => kind);
  const tookMs = (user + system) / 1000;
  const told: Told = { seed, violations, episodes, moves, simulatedMs, kinds, tookMs };
  parentPort?.postMessage(told, []);
});
