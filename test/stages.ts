import { globSync } from 'node:fs';
import type { Planned } from './tracks.ts';

/** `check` is what runs before each commit; `e2e` needs a real control plane, `real` real machines. */
export type Plan = 'check' | 'all' | 'e2e' | 'real';

export interface Stage extends Planned {
  readonly plans: readonly Plan[];
  /** A command that counts as one test, or where the tests for jest are. */
  readonly run: { readonly command: readonly string[] } | Tests;
  /** With a real control plane, which is started for the stage and shared by its tests. */
  readonly cluster?: true;
  /** With real machines, in namespaces of its own. */
  readonly machines?: true;
  /** How many files of tests run at a time, each with machines of its own; default: one. */
  readonly beds?: number;
  /** How many files of tests run at a time; default: one. */
  readonly workers?: number;
  /** How long a test may take that says nothing of it; default: what jest grants. */
  readonly testTimeoutMs?: number;
  /** What hangs for so long is not slow but stuck; default 15, and 60 for what has to be patient. */
  readonly timeoutMinutes?: number;
}

export interface Tests {
  /** Files and folders. */
  readonly tests: readonly string[];
  /** Files there that another stage runs. */
  readonly but?: readonly string[];
}

/** Unit tests that listen to the real clock, with processes and sockets of their own. */
const byTheClock = [
  'test/unit/array',
  'test/unit/cluster/stall-watch.test.ts',
  'test/unit/controller-mode/health-drivers.test.ts',
  'test/unit/double',
  'test/unit/driver',
  'test/unit/machine',
  'test/unit/node-mode/health-drivers.test.ts',
  'test/unit/node-mode/look-pool.test.ts',
  'test/unit/node-mode/node.test.ts',
  'test/unit/node-mode/probes.test.ts',
  'test/unit/node-mode/sources.test.ts',
  'test/unit/shared/csi',
  'test/unit/shared/http.test.ts',
  'test/unit/shared/kubernetes',
  'test/unit/shared/system-clock.test.ts',
  'test/unit/stage-process.test.ts',
];
/** Those that hold the product to a number of seconds; two of them leave a computer half idle. */
const measured = ['test/e2e/evidence-storage.test.ts', 'test/e2e/power-off.test.ts'];
/** Measures what is left between us and our own limit of requests: on a computer that is idle. */
const narrow = ['test/e2e/hundred-pods.test.ts'];
/** What the control plane makes of us, of our rights and manifests: no machine takes part. */
const withoutMachines = [
  'test/e2e/api-contract.test.ts',
  'test/e2e/client-contract.test.ts',
  'test/e2e/cluster.test.ts',
  'test/e2e/csi-contract.test.ts',
  'test/e2e/manifests.test.ts',
  'test/e2e/rights.test.ts',
  'test/e2e/switches.test.ts',
];
const measuredOnMachines = ['test/real/power-off.test.ts'];
/** Those for which `make test` has no time, what takes longest first. */
const longOnMachines = [
  'silent-driver',
  'standalone',
  'services',
  'held-machines',
  'interrupted',
  'stock',
  'storm',
  'sorts-of-pods',
  'two-drivers',
  'moves',
].map((name) => `test/real/${name}.test.ts`);

/** Other ones for each change of the code, for three minutes of processor time (docs/proof.md). */
const freshSeeds = ['--fresh-only', '--covered', '0', '--seconds', '180', '--from', 'code'];

/**
 * Beside other beds a process takes seconds to start, and jest grants five to a whole test. How long
 * ours may take for what they are held to, these tests say themselves.
 */
const slowStartMs = 60_000;

const early: readonly Plan[] = ['check', 'all'];
const late: readonly Plan[] = ['all'];

const bundle = 'bundle';
const controlPlane = 'build of the control plane';
const nodes = 'build of control plane and nodes';
const scenarios = 'scenarios';

/** On each track the order is that of speed: what fails sooner tells sooner. */
export const stages: readonly Stage[] = [
  { name: 'types', track: 'work', plans: early, run: { command: ['tsc', '--noEmit'] } },
  {
    name: 'lint',
    track: 'work',
    plans: early,
    run: { command: ['oxlint', '--type-aware', 'src', 'test', 'build'] },
  },
  { name: 'format', track: 'work', plans: early, run: { command: ['biome', 'ci', '.'] } },
  {
    name: 'unit and architecture',
    track: 'work',
    plans: early,
    // Where there is nothing yet, the longest track waits for the build.
    after: [controlPlane],
    run: { tests: ['test/unit', 'test/architecture.test.ts'], but: byTheClock },
    workers: 2,
    // At the lowest priority a test may wait for all others.
    testTimeoutMs: 60_000,
  },
  {
    name: 'simulation',
    track: 'work',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', '--seeds', '200'] },
  },
  {
    name: 'fresh seeds of the simulation',
    track: 'seeds',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', ...freshSeeds] },
  },
  {
    name: 'the stories of the simulation',
    track: 'work',
    plans: late,
    run: { command: ['node', 'test/simulation/scenarios.ts'] },
  },
  {
    name: 'the leader killed at every request',
    track: 'work',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', '--leader-kills'] },
  },
  {
    name: 'mutants that the simulation must catch',
    track: 'work',
    plans: late,
    run: { command: ['node', 'test/simulation/simulate.ts', '--mutants'] },
  },

  {
    name: controlPlane,
    track: 'build',
    plans: [...late, 'e2e'],
    run: { command: ['node', 'test/cluster/build.ts'] },
    cluster: true,
  },
  {
    name: nodes,
    track: 'build',
    plans: [...late, 'real'],
    run: { command: ['node', 'test/real/prepare.ts'] },
    machines: true,
  },

  {
    name: bundle,
    track: 'clock',
    plans: [...late, 'e2e', 'real'],
    run: { command: ['node', 'build/bundle.ts'] },
  },
  // One at a time: two would take the processors of each other, and of the scenarios.
  {
    name: 'unit tests by the clock',
    track: 'clock',
    plans: early,
    run: { tests: byTheClock },
    testTimeoutMs: slowStartMs,
  },
  {
    name: 'the bundle at work',
    track: 'clock',
    plans: late,
    run: { tests: ['test/bundle.test.ts'] },
    testTimeoutMs: slowStartMs,
  },
  { name: 'demo', track: 'clock', plans: late, run: { command: ['node', 'test/demo/demo.ts'] } },
  {
    name: 'contract',
    track: 'clock',
    plans: late,
    run: { tests: ['test/contract'] },
    workers: 2,
    testTimeoutMs: slowStartMs,
  },
  {
    name: 'the real control plane',
    track: 'clock',
    after: [controlPlane],
    plans: [...late, 'e2e'],
    run: { tests: withoutMachines },
    cluster: true,
    testTimeoutMs: slowStartMs,
  },
  // Beside what is end to end: neither needs a processor of its own.
  {
    name: scenarios,
    track: 'model',
    after: [bundle],
    plans: late,
    run: { tests: ['test/scenarios'] },
    workers: 2,
    timeoutMinutes: 30,
  },

  // They wait for Kubernetes' clocks and ours, each with machines, driver and namespace of its own.
  {
    name: 'end to end',
    track: 'real',
    after: [bundle, controlPlane],
    plans: [...late, 'e2e'],
    run: { tests: ['test/e2e'], but: [...withoutMachines, ...measured, ...narrow] },
    cluster: true,
    // Three would be faster by a tenth only, because then the processors are what is short.
    workers: 2,
    testTimeoutMs: slowStartMs,
    timeoutMinutes: 30,
  },
  // They need a processor of their own, which there is when the scenarios are over.
  {
    name: 'some failures of real machines',
    track: 'machines',
    after: [bundle, nodes, scenarios],
    plans: late,
    run: { tests: ['test/real'], but: [...measuredOnMachines, ...longOnMachines] },
    machines: true,
    beds: 3,
    timeoutMinutes: 30,
  },
  // They wait for Kubernetes' clocks, too.
  {
    name: 'on real machines',
    track: 'machines',
    after: [bundle, nodes],
    plans: ['real'],
    run: { tests: [...longOnMachines, 'test/real'], but: measuredOnMachines },
    machines: true,
    beds: 3,
    timeoutMinutes: 60,
  },

  {
    name: 'measured end to end',
    track: 'measured',
    after: [bundle, controlPlane],
    plans: [...late, 'e2e'],
    run: { tests: measured },
    cluster: true,
    workers: 2,
  },
  {
    name: 'a hundred pods',
    track: 'measured',
    alone: true,
    plans: [...late, 'e2e'],
    run: { tests: narrow },
    cluster: true,
  },
  {
    name: 'measured on real machines',
    track: 'measured',
    alone: true,
    plans: ['real'],
    run: { tests: measuredOnMachines },
    machines: true,
  },
  // After all that used them.
  {
    name: 'shipped rights that end to end did not use',
    track: 'measured',
    plans: [...late, 'e2e'],
    run: { command: ['node', 'test/cluster/used-rights.ts'] },
    cluster: true,
  },
];

/** Each once, in the order in which they are named. */
export function filesOf({ tests, but = [] }: Tests, root: string): readonly string[] {
  const patterns = tests.map((one) => (one.endsWith('.ts') ? one : `${one}/**/*.test.ts`));
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
  const isLeftOut = (file: string): boolean =>
    but.some((one) => file === one || file.startsWith(`${one}/`));
  return [...new Set(files)].filter((file) => !isLeftOut(file));
}
