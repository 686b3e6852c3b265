/**
 * `npm run simulate -- [--seeds N] [--from N] [--seed N] [--trace] [--mutants] [--leader-kills]`:
 * runs the real core on the model of Kubernetes from seeds, lets the mutants be caught, or kills
 * the leader at every single request.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { World } from './world.ts';
import { catchMutants } from './mutants.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    'leader-kills': { type: 'boolean', default: false },
    /** Ends at the first violation; what a mutant is hunted with. */
    'first-only': { type: 'boolean', default: false },
  },
});

/** A death without any other fault must be over by then; detection takes up to 15 s of it. */
const oneDeathMs = 22_000;

function runSeed(seed: number): World {
  const world = new World(seed);
  // Every fourth seed is the main job alone, with a bound on its time.
  if (seed % 4 === 0) world.runOneDeath(oneDeathMs);
  else world.run();
  return world;
}

function runOne(seed: number): number {
  const world = runSeed(seed);
  const { violations, traceHash, episodes, moves } = world.summary();
  if (values.trace) for (const line of world.lines) console.log(line);
  for (const violation of violations) console.log(`violation: ${violation}`);
  console.log(
    `seed ${seed}: ${episodes} episodes, ${moves} moves, ${violations.length} violations`,
  );
  console.log(`trace hash: ${traceHash}`);
  return violations.length;
}

function runMany(from: number, count: number): number {
  const startedAt = performance.now();
  const faults = new Map<string, number>();
  let [episodes, moves, failed] = [0, 0, 0];
  const fresh = Array.from({ length: count }, (_, index) => from + index);
  const seeds = [...trackRecord(), ...fresh];
  for (const seed of seeds) {
    const summary = runSeed(seed).summary();
    episodes += summary.episodes;
    moves += summary.moves;
    for (const [kind, number] of summary.faults) faults.set(kind, (faults.get(kind) ?? 0) + number);
    if (summary.violations.length === 0) continue;
    failed += 1;
    console.log(`seed ${seed}: ${summary.violations.join('; ')}`);
    if (values['first-only']) break;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const byKind = [...faults].map(([kind, number]) => `${kind} ${number}`);
  console.log(`${seeds.length} seeds, ${(seeds.length / seconds).toFixed(1)} a second`);
  console.log(`${episodes} episode requests, ${moves} eviction requests; ${byKind.join(', ')}`);
  console.log(`${seeds.length - failed} passed, ${failed} failed`);
  return failed;
}

/** Seeds that once found a bug: they must never find it again. */
function trackRecord(): readonly number[] {
  const text = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8');
  return text
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
}

/** The leader dies before and after each request that changes something in an episode. */
function killLeaders(worlds: number): number {
  let [seed, found, runs, failed] = [0, 0, 0, 0];
  while (found < worlds) {
    seed += 4;
    const undisturbed = new World(seed);
    const { moves } = undisturbed.runOneDeath(oneDeathMs);
    // A machine without pods of ours dies without an episode.
    if (moves === 0) continue;
    found += 1;
    const kills = Array.from({ length: undisturbed.writes }, (_, index) => index + 1).flatMap(
      (write) => [{ write, when: 'before' } as const, { write, when: 'after' } as const],
    );
    runs += kills.length;
    failed += kills.filter((killAt) => !survives(seed, killAt)).length;
  }
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed;
}

/** The other replica waits for the end of the lease; everything else is as bounded as before. */
function survives(seed: number, killAt: NonNullable<World['killAt']>): boolean {
  const world = new World(seed);
  world.killAt = killAt;
  const { violations } = world.runOneDeath(oneDeathMs + 15_000);
  if (violations.length === 0) return true;
  console.log(`seed ${seed}, killed ${killAt.when} ${killAt.write}: ${violations.join('; ')}`);
  return false;
}

let failures = 0;
if (values.seed !== undefined) failures = runOne(Number(values.seed));
else if (values.mutants) failures = await catchMutants();
else if (values['leader-kills']) failures = killLeaders(6);
else failures = runMany(Number(values.from), Number(values.seeds));
process.exitCode = failures === 0 ? 0 : 1;
