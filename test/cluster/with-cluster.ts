/**
 * Runs a command while a cluster of ours is up, and ends as the command did:
 * `node test/cluster/with-cluster.ts jest test/e2e`. Tests join it by `sharedCluster()`.
 */
import { spawn } from 'node:child_process';
import { clusterVariable, startCluster } from './start-cluster.ts';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error('usage: node test/cluster/with-cluster.ts <command> [arguments]');
  process.exit(2);
}

const start = performance.now();
const cluster = await startCluster();
console.log(`the cluster is ready after ${((performance.now() - start) / 1000).toFixed(1)} s`);
// On top of what fails meanwhile, so that nobody has to guess.
const stalls = await cluster.watchForStalls((sentence) => console.log(sentence));
const child = spawn(command, args, {
  stdio: 'inherit',
  env: { ...process.env, [clusterVariable]: cluster.folder },
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
process.exitCode = await new Promise<number>((resolve) => {
  child.once('error', (error) => {
    console.error(`${command}: ${error.message}`);
    resolve(127);
  });
  child.once('exit', (code) => resolve(code ?? 1));
});
stalls[Symbol.dispose]();
await cluster[Symbol.asyncDispose]();
