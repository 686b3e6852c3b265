/**
 * Runs files of tests on real machines, a few at a time, each in namespaces of its own:
 * `node test/real/side-by-side.ts --report <file> --beds 2 <test file>...`. They wait far more than
 * they work. What a file prints comes out in one piece when it has ended; the report has the sums of
 * jest's own.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { JestReport } from '../count.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { processorSecondsSinceLast } from '../processor-time.ts';
import { storeVariable } from './image-store.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    report: { type: 'string', default: 'report.json' },
    beds: { type: 'string', default: '2' },
  },
});

const inNamespaces = 'test/real/in-namespaces.ts';
/** Arguments of setpriv. It ends what it has started, and hears of our end, whatever that is. */
const untilWeEnd = ['--pdeathsig', 'TERM', 'node'];
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  '--runInBand',
  '--json',
];

const nothing: JestReport = {
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 0,
};

using scratch = new ScratchFolder('csi-failover-side-by-side-');
const folder = scratch.path;
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    process.exit(1);
  });
}

/** What jest said of one file, and whether it was content. */
async function runFile(file: string): Promise<JestReport & { readonly succeeded: boolean }> {
  const start = performance.now();
  const report = join(folder, `${file.replaceAll('/', '-')}.json`);
  const args = [inNamespaces, 'node', ...jest, `--outputFile=${report}`, '--', file];
  const child = spawn('setpriv', [...untilWeEnd, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [storeVariable]: images },
  });
  running.add(child);
  let worked = 0;
  const code = new Promise<number | null>((resolve) => {
    child.once('exit', (status) => {
      worked = processorSecondsSinceLast() ?? 0;
      resolve(status);
    });
  });
  const [, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const succeeded = (await code) === 0;
  running.delete(child);
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  const cost = `${seconds} s, ${worked.toFixed(0)} s of a processor`;
  console.log(`${errors}--- ${file}: ${succeeded ? 'passed' : 'FAILED'}, ${cost}`);
  try {
    return { ...(JSON.parse(readFileSync(report, 'utf8')) as JestReport), succeeded };
  } catch {
    return { ...nothing, numRuntimeErrorTestSuites: 1, succeeded: false };
  }
}

/** What all of their machines have. */
const images = join(folder, 'images');
const make = [...untilWeEnd, inNamespaces, 'node', 'test/real/image-store.ts', images];
const made = spawnSync('setpriv', make, { stdio: 'inherit' });
if (made.status !== 0) throw new Error('no images for the machines');

const queue = [...positionals];
const reports: (JestReport & { readonly succeeded: boolean })[] = [];
async function bed(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    reports.push(await runFile(file));
  }
}
await Promise.all(Array.from({ length: Number(values.beds) }, bed));

const names = Object.keys(nothing) as (keyof JestReport)[];
const sums = names.map((name) => [name, reports.reduce((sum, one) => sum + one[name], 0)]);
writeFileSync(values.report, JSON.stringify(Object.fromEntries(sums)));
process.exitCode = reports.every(({ succeeded }) => succeeded) ? 0 : 1;
