/**
 * Runs the stages of `npm run check`, `npm test`, `make e2e` or `make e2e-real`, all of them even
 * if one fails, and closes with one line for the whole: `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyNoBinaries } from './cluster/binaries.ts';
import { usedRightsVariable } from './cluster/used-rights-variable.ts';
import { type Count, countJest, type JestReport, notRunIn, skipped } from './count.ts';
import { whyNoRealMachines } from './real/host.ts';

/** `check` is what runs before each commit; `e2e` needs a real control plane, `real` real machines. */
type Plan = 'check' | 'all' | 'e2e' | 'real';

interface Stage {
  readonly name: string;
  readonly plans: readonly Plan[];
  /** A command that counts as one test, or where the tests for jest are. */
  readonly run: { readonly command: readonly string[] } | Tests;
  /** With a real control plane, which is started for the stage and shared by its tests. */
  readonly cluster?: true;
  /** With real machines, in namespaces of its own. */
  readonly machines?: true;
  /** How many files of tests run at a time, each with machines of its own; default: one. */
  readonly beds?: number;
  /** How many files of tests run at a time; default: one less than there are processors. */
  readonly workers?: number;
  /** What hangs for so long is not slow but stuck; default 15. */
  readonly timeoutMinutes?: number;
}

interface Tests {
  /** Files and folders. */
  readonly tests: readonly string[];
  /** Files there that another stage runs. */
  readonly but?: readonly string[];
}

/** Those that hold the product to a number of seconds. */
const measured = ['test/e2e/evidence-storage.test.ts', 'test/e2e/power-off.test.ts'];
/** Measures what is left between us and our own limit of requests: on a computer that is idle. */
const narrow = ['test/e2e/hundred-pods.test.ts'];
const measuredOnMachines = ['test/real/power-off.test.ts'];
/**
 * Those for which `make test` has no time, what takes longest first; and partition, in which a cut
 * off machine without csi-failover once stayed Ready for 90 s, which nobody has explained yet.
 */
const longOnMachines = ['services', 'standalone', 'stock', 'partition'].map(
  (name) => `test/real/${name}.test.ts`,
);

const early: readonly Plan[] = ['check', 'all'];
const late: readonly Plan[] = ['all'];

const root = fileURLToPath(new URL('..', import.meta.url));

/** The order is that of speed: what fails sooner tells sooner. */
const stages: readonly Stage[] = [
  { name: 'types', plans: early, run: { command: ['tsc', '--noEmit'] } },
  {
    name: 'lint',
    plans: early,
    run: { command: ['oxlint', '--type-aware', 'src', 'test', 'build'] },
  },
  { name: 'format', plans: early, run: { command: ['biome', 'ci', '.'] } },
  {
    name: 'unit and architecture',
    plans: early,
    run: { tests: ['test/unit', 'test/architecture.test.ts'] },
    workers: 2,
  },
  {
    name: 'bundle',
    plans: [...late, 'e2e', 'real'],
    run: { command: ['node', 'build/bundle.ts'] },
  },
  { name: 'the bundle at work', plans: late, run: { tests: ['test/bundle.test.ts'] } },
  // They wait far more than they work: for silence, for leases that run out, for a release.
  { name: 'scenarios', plans: late, run: { tests: ['test/scenarios'] }, workers: 2 },
  { name: 'demo', plans: late, run: { command: ['node', 'test/demo/demo.ts'] } },
  { name: 'contract', plans: late, run: { tests: ['test/contract'] } },
  {
    name: 'simulation',
    plans: late,
    // Known ones, until some thousand fresh ones in a row have held (docs/proof.md).
    run: { command: ['node', 'test/simulation/simulate.ts', '--seeds', '200'] },
  },
  {
    name: 'the stories of the simulation',
    plans: late,
    run: { command: ['node', 'test/simulation/scenarios.ts'] },
  },
  {
    name: 'the leader killed at every request',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', '--leader-kills'] },
  },
  {
    name: 'mutants that the simulation must catch',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', '--mutants'] },
  },
  {
    name: 'build of the control plane',
    plans: [...late, 'e2e'],
    run: { command: ['node', 'test/cluster/build.ts'] },
    cluster: true,
    timeoutMinutes: 60,
  },
  {
    name: 'measured end to end',
    plans: [...late, 'e2e'],
    run: { tests: measured },
    cluster: true,
  },
  {
    name: 'a hundred pods',
    plans: [...late, 'e2e'],
    run: { tests: narrow },
    cluster: true,
  },
  // They wait for Kubernetes' clocks and ours, each with machines, driver and namespace of its own.
  {
    name: 'end to end',
    plans: [...late, 'e2e'],
    run: { tests: ['test/e2e'], but: [...measured, ...narrow] },
    cluster: true,
    workers: 2,
    timeoutMinutes: 30,
  },
  {
    name: 'shipped rights that end to end did not use',
    plans: [...late, 'e2e'],
    run: { command: ['node', 'test/cluster/used-rights.ts'] },
    cluster: true,
  },
  {
    name: 'build of control plane and nodes',
    plans: [...late, 'real'],
    run: { command: ['node', 'test/real/prepare.ts'] },
    machines: true,
    timeoutMinutes: 60,
  },
  {
    name: 'some failures of real machines',
    plans: late,
    run: { tests: ['test/real'], but: [...measuredOnMachines, ...longOnMachines] },
    machines: true,
    beds: 3,
    timeoutMinutes: 30,
  },
  {
    name: 'measured on real machines',
    plans: ['real'],
    run: { tests: measuredOnMachines },
    machines: true,
  },
  // They wait for Kubernetes' clocks, too.
  {
    name: 'on real machines',
    plans: ['real'],
    run: { tests: [...longOnMachines, 'test/real'], but: measuredOnMachines },
    machines: true,
    beds: 3,
    timeoutMinutes: 60,
  },
];

const isCi = process.env.CI === 'true';

// The tools, and the Node, of this repository, also for whoever calls us without npm.
const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
  // What each suite used, for the stage that asks what none of them did.
  [usedRightsVariable]: mkdtempSync(join(tmpdir(), 'csi-failover-rights-')),
};
process.once('exit', () => {
  rmSync(environment[usedRightsVariable], { recursive: true, force: true });
});

function main(plan: string | undefined): void {
  if (plan !== 'check' && plan !== 'all' && plan !== 'e2e' && plan !== 'real') {
    console.error('usage: node test/run.ts check|all|e2e|real');
    process.exit(2);
  }
  const notRun: string[] = [];
  const counts = stages
    .filter((stage) => stage.plans.includes(plan))
    .map((stage) => {
      console.log(`\n=== ${stage.name}`);
      const start = performance.now();
      const obstacle = obstacleTo(stage);
      if (obstacle !== undefined) notRun.push(`NOT RUN: ${stage.name}: ${obstacle}`);
      const count = obstacle === undefined ? runStage(stage) : skipped(1, isCi);
      const seconds = ((performance.now() - start) / 1_000).toFixed(0);
      console.log(`=== ${stage.name}: ${wordsOf(count)}, ${seconds} s`);
      return count;
    });
  counts.push(strayTests());
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  const where = plan === 'real' ? 'on real machines: ' : '';
  console.log(['', ...notRun, `${where}${wordsOf({ passed, failed })}`].join('\n'));
  process.exitCode = failed === 0 ? 0 : 1;
}

function wordsOf({ passed, failed }: Count): string {
  return `${passed} passed, ${failed} failed`;
}

/** Why the stage cannot run here, in one line. */
function obstacleTo({ cluster, machines }: Stage): string | undefined {
  if (machines === true) return whyNoRealMachines();
  return cluster === true ? whyNoBinaries() : undefined;
}

function runStage(stage: Stage): Count {
  const timeoutMs = (stage.timeoutMinutes ?? 15) * 60_000;
  if ('tests' in stage.run) return runJest(stage, stage.run, timeoutMs);
  const [program, ...parameters] = stage.run.command;
  const succeeded = execute(program as string, parameters, timeoutMs);
  return succeeded ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function execute(program: string, parameters: readonly string[], timeout: number): boolean {
  const { status, signal, error } = spawnSync(program, parameters, {
    cwd: root,
    env: environment,
    stdio: 'inherit',
    timeout,
  });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  if (signal !== null) console.error(`${program}: ended by ${signal}`);
  return status === 0;
}

function runJest(stage: Stage, { tests, but = [] }: Tests, timeoutMs: number): Count {
  const alone = stage.cluster === true || stage.machines === true;
  const folder = mkdtempSync(join(tmpdir(), 'csi-failover-tests-'));
  try {
    const report = join(folder, 'report.json');
    const jest = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--json',
      `--outputFile=${report}`,
      // What is measured there has the computer to itself.
      ...(alone && stage.workers === undefined ? ['--runInBand'] : []),
      ...(stage.workers === undefined ? [] : [`--maxWorkers=${stage.workers}`]),
      ...but.map((file) => `--testPathIgnorePatterns=${file}`),
      '--',
      ...tests,
    ];
    const sideBySide = ['test/real/side-by-side.ts', `--report=${report}`, `--beds=${stage.beds}`];
    const command =
      stage.beds === undefined
        ? [...within(stage), ...jest]
        : [...sideBySide, ...filesIn(tests).filter((file) => !but.includes(file))];
    const succeeded = execute('node', command, timeoutMs);
    const said = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
    if (notRunIn(said) > 0) console.log(`${notRunIn(said)} skipped`);
    return countJest(said, { succeeded, isCi });
  } catch (error) {
    console.error(`jest left no report: ${String(error)}`);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each once, in the order in which they are named. */
function filesIn(tests: readonly string[]): readonly string[] {
  const patterns = tests.map((one) => (one.endsWith('.ts') ? one : `${one}/**/*.test.ts`));
  return [...new Set(patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).sort()))];
}

/** What starts the tests in their surroundings. */
function within({ cluster, machines }: Stage): readonly string[] {
  if (machines === true) return ['test/real/in-namespaces.ts', 'node'];
  return cluster === true ? ['test/cluster/with-cluster.ts', 'node'] : [];
}

/** A test file that no stage runs would look like a passing one. */
function strayTests(): Count {
  const run = stages.flatMap((stage) => ('tests' in stage.run ? stage.run.tests : []));
  const stray = globSync('test/**/*.test.ts', { cwd: root }).filter(
    (file) => !run.some((tests) => file === tests || file.startsWith(`${tests}/`)),
  );
  for (const file of stray) console.error(`${file}: no stage of test/run.ts runs it`);
  return { passed: 0, failed: stray.length };
}

main(process.argv[2]);
