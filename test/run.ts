/**
 * Runs the stages of `npm run check`, `npm test`, `make e2e` or `make e2e-real`, all of them even
 * if one fails, and closes with one line for the whole: `N passed, N failed`. What a stage prints
 * comes out in one piece when it has ended.
 */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { whyNoBinaries } from './cluster/binaries.ts';
import { usedRightsVariable } from './cluster/used-rights-variable.ts';
import { type Count, countJest, type JestReport, notRunIn, skipped } from './count.ts';
import { whyNoRealMachines } from './real/host.ts';
import { runProcess } from './stage-process.ts';
import { filesOf, type Plan, type Stage, stages, type Tests } from './stages.ts';
import { isPatient, startable } from './tracks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const isCi = process.env.CI === 'true';

/** What the stages print and report while they run, and what each suite used of our rights. */
const folder = mkdtempSync(join(tmpdir(), 'csi-failover-run-'));
const rights = join(folder, 'rights');
mkdirSync(rights);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

// The tools, and the Node, of this repository, also for whoever calls us without npm.
const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
  // For the stage that asks what none of them did.
  [usedRightsVariable]: rights,
};

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interruption.abort());
}

async function main(plan: string | undefined): Promise<void> {
  if (plan !== 'check' && plan !== 'all' && plan !== 'e2e' && plan !== 'real') {
    console.error('usage: node test/run.ts check|all|e2e|real');
    process.exit(2);
  }
  const notRun: string[] = [];
  const start = performance.now();
  const { counts, processorSeconds } = await runAll(plan, notRun);
  if (interruption.signal.aborted) process.exit(130);
  counts.push(strayTests());
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  const where = plan === 'real' ? 'on real machines: ' : '';
  const cost = timesOf((performance.now() - start) / 1_000, processorSeconds);
  console.log(['', ...notRun, cost, `${where}${wordsOf({ passed, failed })}`].join('\n'));
  process.exitCode = failed === 0 ? 0 : 1;
}

interface Whole {
  readonly counts: Count[];
  readonly processorSeconds: number | undefined;
}

/** Begins whatever may begin, each time that something has ended. */
async function runAll(plan: Plan, notRun: string[]): Promise<Whole> {
  const planned = stages.filter(({ plans }) => plans.includes(plan));
  const running = new Map<string, Promise<void>>();
  const ended = new Set<string>();
  const counts: Count[] = [];
  let sum: number | undefined;
  const run = async (stage: Stage): Promise<void> => {
    const { name } = stage;
    const start = performance.now();
    const obstacle = obstacleTo(stage);
    if (obstacle !== undefined) notRun.push(`NOT RUN: ${name}: ${obstacle}`);
    const { count, output, processorSeconds }: Outcome =
      obstacle === undefined
        ? await runStage(stage)
        : { count: skipped(1, isCi), output: `NOT RUN: ${obstacle}\n` };
    if (processorSeconds !== undefined) sum = (sum ?? 0) + processorSeconds;
    const times = timesOf((performance.now() - start) / 1_000, processorSeconds);
    process.stdout.write(`\n=== ${name}\n${output}=== ${name}: ${wordsOf(count)}, ${times}\n`);
    counts.push(count);
    running.delete(name);
    ended.add(name);
  };
  while (ended.size < planned.length && !interruption.signal.aborted) {
    const next = startable(planned, { running: new Set(running.keys()), ended });
    for (const stage of next) running.set(stage.name, run(stage));
    if (running.size > 1) console.log(`... ${[...running.keys()].join(', ')}`);
    await Promise.race(running.values());
  }
  await Promise.all(running.values());
  return { counts, processorSeconds: sum };
}

function wordsOf({ passed, failed }: Count): string {
  return `${passed} passed, ${failed} failed`;
}

function timesOf(seconds: number, processorSeconds: number | undefined): string {
  const took = `${seconds.toFixed(0)} s`;
  if (processorSeconds === undefined) return took;
  return `${took}, ${processorSeconds.toFixed(0)} s of processor`;
}

/** Why the stage cannot run here, in one line. */
function obstacleTo({ cluster, machines }: Stage): string | undefined {
  if (machines === true) return whyNoRealMachines();
  return cluster === true ? whyNoBinaries() : undefined;
}

interface Outcome {
  readonly count: Count;
  readonly output: string;
  readonly processorSeconds?: number | undefined;
}

async function runStage(stage: Stage): Promise<Outcome> {
  if ('tests' in stage.run) return await runJest(stage, stage.run);
  const ended = await execute(stage, stage.run.command);
  return { ...ended, count: ended.succeeded ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 } };
}

async function execute(stage: Stage, command: readonly string[]) {
  return await runProcess({
    command,
    cwd: root,
    env: environment,
    outputFile: fileFor(stage, 'log'),
    timeoutMs: (stage.timeoutMinutes ?? (isPatient(stage) ? 60 : 15)) * 60_000,
    isPatient: isPatient(stage),
    signal: interruption.signal,
  });
}

function fileFor({ name }: Stage, ending: string): string {
  return join(folder, `${name.replaceAll(' ', '-')}.${ending}`);
}

async function runJest(stage: Stage, tests: Tests): Promise<Outcome> {
  const report = fileFor(stage, 'json');
  const { workers = 1, beds, testTimeoutMs } = stage;
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--json',
    `--outputFile=${report}`,
    '--testSequencer=./test/longest-first.ts',
    workers === 1 ? '--runInBand' : `--maxWorkers=${workers}`,
    ...(testTimeoutMs === undefined ? [] : [`--testTimeout=${testTimeoutMs}`]),
    ...(tests.but ?? []).map((file) => `--testPathIgnorePatterns=${file}`),
    '--',
    ...tests.tests,
  ];
  const sideBySide = ['test/real/side-by-side.ts', `--report=${report}`, `--beds=${beds}`];
  const parameters =
    beds === undefined ? [...within(stage), ...jest] : [...sideBySide, ...filesOf(tests, root)];
  const ended = await execute(stage, ['node', ...parameters]);
  try {
    const said = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
    const skips = notRunIn(said) > 0 ? `${notRunIn(said)} skipped\n` : '';
    const count = countJest(said, { succeeded: ended.succeeded, isCi });
    return { ...ended, count, output: `${ended.output}${skips}` };
  } catch (error) {
    const why = `jest left no report: ${String(error)}\n`;
    return { ...ended, count: { passed: 0, failed: 1 }, output: `${ended.output}${why}` };
  }
}

/** What starts the tests in their surroundings. */
function within({ cluster, machines }: Stage): readonly string[] {
  if (machines === true) return ['test/real/in-namespaces.ts', 'node'];
  return cluster === true ? ['test/cluster/with-cluster.ts', 'node'] : [];
}

/** A test file that no stage runs would look like a passing one. */
function strayTests(): Count {
  const run = stages.flatMap((stage) => ('tests' in stage.run ? filesOf(stage.run, root) : []));
  const stray = globSync('test/**/*.test.ts', { cwd: root }).filter((file) => !run.includes(file));
  for (const file of stray) console.error(`${file}: no stage of test/stages.ts runs it`);
  return { passed: 0, failed: stray.length };
}

await main(process.argv[2]);
