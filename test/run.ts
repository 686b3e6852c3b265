/**
 * Runs the stages of `npm run check` or of `npm test`, all of them even if one fails, and closes
 * with one line for the whole: `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Stage {
  readonly name: string;
  /** `check` is what runs before each commit; `all` runs everything. */
  readonly plan: 'check' | 'all';
  /** A command that counts as one test, or where the tests for jest are. */
  readonly run: { readonly command: readonly string[] } | { readonly tests: readonly string[] };
}

/** The order is that of speed: what fails sooner tells sooner. */
const stages: readonly Stage[] = [
  { name: 'types', plan: 'check', run: { command: ['tsc', '--noEmit'] } },
  {
    name: 'lint',
    plan: 'check',
    run: { command: ['oxlint', '--type-aware', 'src', 'test', 'build'] },
  },
  { name: 'format', plan: 'check', run: { command: ['biome', 'ci', '.'] } },
  {
    name: 'unit and architecture',
    plan: 'check',
    run: { tests: ['test/unit', 'test/architecture.test.ts'] },
  },
  { name: 'bundle', plan: 'all', run: { command: ['node', 'build/bundle.ts'] } },
  { name: 'the bundle at work', plan: 'all', run: { tests: ['test/bundle.test.ts'] } },
  { name: 'demo', plan: 'all', run: { command: ['node', 'test/demo/demo.ts'] } },
  { name: 'contract', plan: 'all', run: { tests: ['test/contract'] } },
  {
    name: 'simulation',
    plan: 'all',
    run: { command: ['node', 'test/simulation/simulate.ts', '--seeds', '200'] },
  },
  {
    name: 'the leader killed at every request',
    plan: 'all',
    run: { command: ['node', 'test/simulation/simulate.ts', '--leader-kills'] },
  },
  {
    name: 'mutants that the simulation must catch',
    plan: 'all',
    run: { command: ['node', 'test/simulation/simulate.ts', '--mutants'] },
  },
];

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** What hangs for so long is not slow but stuck. */
const stageTimeoutMs = 15 * 60_000;

const root = fileURLToPath(new URL('..', import.meta.url));

// The tools, and the Node, of this repository, also for whoever calls us without npm.
const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
};

function main(plan: string | undefined): void {
  if (plan !== 'check' && plan !== 'all') {
    console.error('usage: node test/run.ts check|all');
    process.exit(2);
  }
  const counts = stages
    .filter((stage) => plan === 'all' || stage.plan === 'check')
    .map((stage) => {
      console.log(`\n=== ${stage.name}`);
      const count =
        'command' in stage.run ? runCommand(stage.run.command) : runJest(stage.run.tests);
      console.log(`=== ${stage.name}: ${count.passed} passed, ${count.failed} failed`);
      return count;
    });
  counts.push(strayTests());
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function runCommand([program, ...parameters]: readonly string[]): Count {
  return execute(program as string, parameters)
    ? { passed: 1, failed: 0 }
    : { passed: 0, failed: 1 };
}

function execute(program: string, parameters: readonly string[]): boolean {
  const { status, signal, error } = spawnSync(program, parameters, {
    cwd: root,
    env: environment,
    stdio: 'inherit',
    timeout: stageTimeoutMs,
  });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  if (signal !== null) console.error(`${program}: ended by ${signal}`);
  return status === 0;
}

/** The part of jest's `--json` report that we read. */
interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Files that could not even be loaded. */
  readonly numRuntimeErrorTestSuites: number;
}

function runJest(tests: readonly string[]): Count {
  const folder = mkdtempSync(join(tmpdir(), 'csi-failover-tests-'));
  try {
    const report = join(folder, 'report.json');
    const succeeded = execute('node', [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--json',
      `--outputFile=${report}`,
      ...tests,
    ]);
    return countJest(JSON.parse(readFileSync(report, 'utf8')) as JestReport, succeeded);
  } catch (error) {
    console.error(`jest left no report: ${String(error)}`);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countJest(report: JestReport, succeeded: boolean): Count {
  const notRun = report.numPendingTests + report.numTodoTests;
  if (notRun > 0) console.log(`${notRun} skipped`);
  // Nobody reads "skipped" in a log of CI, so there a skipped test is a failed one.
  const skipped = process.env.CI === 'true' ? notRun : 0;
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites + skipped;
  // Jest may fail without a failed test: a leak, a coverage threshold, no tests at all.
  return { passed: report.numPassedTests, failed: succeeded ? failed : Math.max(1, failed) };
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
