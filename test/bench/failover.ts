/**
 * Measures how long the pods of a machine without power are gone, by all ways of moving them, on
 * one real control plane: `npm run bench:failover -- [--quick] [--pods 1,10] [--ways ours,taint]`.
 * The whole of it writes docs/failover-times.md and the table of the README; ends with 1 if what is
 * promised was not kept. `--resume` measures only what .cache/bench does not have of an earlier call.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from '../cluster/start-cluster.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { attacherLimit, detachBound, ourLimit } from './bound.ts';
import { type Method, methods } from './methods.ts';
import { writeRequestPolicy } from './request-log.ts';
import { pageOf, summaryOf, type Surroundings, tableOf, withSummary } from './table.ts';
import { runTrial, type Trial } from './trial.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    pods: { type: 'string' },
    ways: { type: 'string', default: methods.map(({ key }) => key).join(',') },
  },
});
const counts = (values.pods ?? (values.quick ? '1,10' : '1,10,100')).split(',').map(Number);
const ways = methods.filter(({ key }) => values.ways.split(',').includes(key));

using scratch = new ScratchFolder('bench-');
const policy = join(scratch.path, 'audit-policy.json');
writeRequestPolicy(policy);
await using cluster = await startCluster({
  flags: { 'kube-apiserver': [`--audit-policy-file=${policy}`] },
});
const folder = join(root, '.cache', 'bench');
mkdirSync(folder, { recursive: true });
const results = join(folder, 'failover.json');
const earlier: readonly Trial[] =
  values.resume && existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : [];
const known: Trial[] = [...earlier];
const trials: Trial[] = [];
// Nothing is measured but that nothing happens: these may wait together.
const idle = ways.filter(({ key }) => key === 'stock');
for (const method of idle) {
  trials.push(...(await Promise.all(counts.map((pods) => measure(cluster, method, pods)))));
}
for (const pods of counts) {
  for (const method of ways.filter((one) => !idle.includes(one))) {
    trials.push(await measure(cluster, method, pods));
  }
}
console.log(`\n${tableOf(trials, ways)}`);
const complete = values.pods === undefined && !values.quick && ways.length === methods.length;
if (complete) {
  const page = pageOf(trials, methods, await surroundingsOf(cluster));
  writeFileSync(join(root, 'docs', 'failover-times.md'), page);
  const readme = join(root, 'README.md');
  const text = readFileSync(readme, 'utf8');
  writeFileSync(readme, withSummary(text, summaryOf(trials, methods)));
}
const broken = promisesBroken(trials);
for (const promise of broken) console.error(promise);
process.exitCode = broken.length === 0 ? 0 : 1;

async function measure(cluster: Cluster, method: Method, pods: number): Promise<Trial> {
  const done = earlier.find((one) => one.method === method.key && one.pods === pods);
  if (done !== undefined) return done;
  const trial = await runTrial(cluster, { name: `${method.key}${pods}`, method, pods });
  console.log(`\n${tableOf([trial], [method])}`);
  known.push(trial);
  writeFileSync(results, JSON.stringify(known, null, 2));
  return trial;
}

/** Sentences about what csi-failover did not keep with its default flags. */
function promisesBroken(all: readonly Trial[]): readonly string[] {
  const ours = all.filter(({ method }) => method === 'ours');
  const onePod = ours.find(({ pods }) => pods === 1)?.detachSpan;
  return all.flatMap(({ method, pods, violations, recovered, detachSpan }) => {
    const broken: string[] = [];
    if (violations > 0) broken.push(`${method}, ${pods} pods: ${violations} violations`);
    if (method !== 'ours') return broken;
    if (recovered < pods) broken.push(`${pods - recovered} of ${pods} pods did not come back`);
    if (onePod === undefined || detachSpan === undefined) return broken;
    const bound = detachBound({ pods, onePod, client: ourLimit, attacher: attacherLimit });
    console.log(`${pods} pods detached in ${detachSpan.toFixed(1)} s, bound ${bound.toFixed(1)} s`);
    if (detachSpan > bound) broken.push(`${pods} pods were not detached within ${bound} s`);
    return broken;
  });
}

async function surroundingsOf(cluster: Cluster): Promise<Surroundings> {
  const version = JSON.parse(await cluster.kubectl(['version', '-o', 'json'])) as {
    readonly serverVersion: { readonly gitVersion: string };
  };
  const module = readFileSync(join(root, 'test', 'cluster', 'csi', 'go.mod'), 'utf8');
  const [processor] = cpus();
  return {
    kubernetes: version.serverVersion.gitVersion,
    attacher: /external-attacher\/v4 (v\S+)/.exec(module)?.[1] ?? 'v4',
    node: process.versions.node,
    computer: `${cpus().length} processors (${processor?.model.trim() ?? 'unknown'})`,
  };
}
