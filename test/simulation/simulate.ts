/**
 * `npm run simulate -- [--seeds N | --seconds N] [--from N|code] [--workers N]`: the seeds of
 * seeds.txt, then so many fresh ones, or for so many seconds of processor time; with `--from code`
 * other ones for each change of the code. `--seed N [--trace]` repeats one exactly, and shrinks what
 * fails to the fewest faults. `--leader-kills` kills the leader at every single request, `--mutants`
 * lets the mutants be caught, `--coverage` names the parts of the core that no seed has reached; how
 * many there are each run tells of its first seeds.
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printCoverage, reachInWords } from './coverage.ts';
import { killLeaders } from './leader-kills.ts';
import { catchMutants } from './mutants.ts';
import { type Campaign, runCampaign } from './pool.ts';
import { isOneDeath, type Run, runSeed } from './run.ts';
import { shrink } from './shrink.ts';
import { trackRecord } from './track-record.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    seconds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    /** Hunts those, too, that have no row in docs/proof.md yet, and writes the rows. */
    update: { type: 'boolean', default: false },
    only: { type: 'string' },
    coverage: { type: 'boolean', default: false },
    /** Of so many seeds each run tells what they do not reach; they take a quarter longer. */
    covered: { type: 'string', default: '100' },
    'leader-kills': { type: 'boolean', default: false },
    /** Without those of seeds.txt. */
    'fresh-only': { type: 'boolean', default: false },
  },
});

function runOne(seed: number): number {
  const run = runSeed(seed, { keepLines: values.trace });
  for (const line of run.lines) console.log(line);
  for (const violation of run.violations) console.log(`violation: ${violation}`);
  if (run.violations.length > 0 && !isOneDeath(seed)) tellFewest(run);
  const { episodes, moves, violations, traceHash } = run;
  console.log(
    `seed ${seed}: ${episodes} episodes, ${moves} moves, ${violations.length} violations`,
  );
  console.log(`trace hash: ${traceHash}`);
  return violations.length;
}

function tellFewest(run: Run): void {
  const { faults, violations } = shrink(run);
  const words = faults.map(({ kind, afterMs }) => `${kind} after ${(afterMs / 1000).toFixed(1)} s`);
  console.log(`fewest faults: ${words.join(', ') || 'none'}: ${violations.join('; ')}`);
}

/**
 * The same for everybody who has this code, with or without its repository, so that what fails
 * there can be repeated.
 */
function seedOfCode(): number {
  const root = join(import.meta.dirname, '../..');
  const files = globSync(['src/**/*.ts', 'test/model/**/*.ts', 'test/simulation/*'], { cwd: root });
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(readFileSync(join(root, file)));
  return Number.parseInt(hash.digest('hex').slice(0, 7), 16);
}

async function runMany(): Promise<number> {
  const from = values.from === 'code' ? seedOfCode() : Number(values.from);
  console.log(`first fresh seed: ${from}`);
  const limit =
    values.seconds === undefined
      ? { seeds: Number(values.seeds) }
      : { seconds: Number(values.seconds) };
  const campaign: Campaign = {
    from,
    known: values['fresh-only'] ? [] : trackRecord(),
    covered: Number(values.covered),
    ...limit,
  };
  const result = await runCampaign(campaign, Number(values.workers), ({ seed, violations }) =>
    console.log(`seed ${seed}: ${violations.join('; ')}`),
  );
  const { seeds, failed, faults, episodes, moves, seconds, simulatedMs } = result;
  const { reach } = result;
  const byKind = [...faults].sort(([a], [b]) => (a < b ? -1 : 1));
  console.log(byKind.map(([kind, number]) => `${kind} ${number}`).join(', '));
  console.log(
    `${episodes} episodes, ${moves} pods moved, ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours`,
  );
  const warm = result.warmSpeed === undefined ? '' : `, ${result.warmSpeed.toFixed(1)} once warm`;
  console.log(
    `${seeds} seeds in ${seconds.toFixed(1)} s, ` +
      `${result.speed.toFixed(1)} a second of processor time${warm}`,
  );
  if (reach !== undefined) console.log(reachInWords(reach, Math.min(seeds, campaign.covered)));
  console.log(`${seeds - failed} passed, ${failed} failed`);
  return failed;
}

let failures = 0;
if (values.seed !== undefined) failures = runOne(Number(values.seed));
else if (values.mutants) {
  failures = await catchMutants({ update: values.update, only: values.only });
} else if (values['leader-kills']) failures = killLeaders(5);
else if (values.coverage) failures = await printCoverage(Number(values.seeds));
else failures = await runMany();
process.exitCode = failures === 0 ? 0 : 1;
