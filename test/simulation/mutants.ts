/**
 * Hunts mutants: the project with one mistake in it, run seed by seed until a checker objects. What
 * does not typecheck, or dies of itself, counts as not caught; nor does what a checker says of a
 * seed that fails without the mistake, too.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MutatedTree } from '../mutation/mutated-tree.ts';
import { typeErrorsOf } from '../mutation/type-errors.ts';
import type { Mutant } from './mutant.ts';
import { mutants } from './mutant-list.ts';
import { runSeed } from './run.ts';
import { SeedThread } from './seed-thread.ts';

interface Hunt {
  readonly mutant: Mutant;
  /** The first seed that caught it, and what its checker said; undefined: it survived. */
  readonly caught: { readonly seed: number; readonly by: string } | undefined;
  readonly trouble: string;
}

const root = join(import.meta.dirname, '..', '..');
const proofFile = join(root, 'docs', 'proof.md');
const begin = '<!-- mutants: written by npm run simulate -- --mutants --update -->';
const end = '<!-- end of mutants -->';

/** All of them, as many at a time as there are processors; answers how many were not caught. */
export async function catchMutants(options: {
  readonly update: boolean;
  readonly only: string | undefined;
}): Promise<number> {
  const { only, update } = options;
  const chosen = mutants.filter(({ name }) => {
    if (only !== undefined) return name.includes(only);
    // Who has no row yet is hunted by whoever writes the table.
    return update || recordedSeed(name) !== undefined;
  });
  const errors = typeErrorsOf(chosen);
  // Those without a row first, and of these first where the fewest seeds are to be run.
  const isKnown = ({ name }: Mutant): number => Number(recordedSeed(name) !== undefined);
  const waiting = chosen.toSorted((a, b) => isKnown(a) - isKnown(b) || a.seeds - b.seeds);
  const hunts: Hunt[] = [];
  const huntAt = async (place: string): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const trouble = errors[chosen.indexOf(mutant)] ?? '';
      const survived = { mutant, caught: undefined, trouble };
      const done = trouble === '' ? await hunt(mutant, place) : survived;
      hunts.push(done);
      if (update) writeTable(hunts);
      console.log(sentenceOf(done));
    }
  };
  const places = Array.from({ length: availableParallelism() }, (_, index) => `hunter-${index}`);
  await Promise.all(places.map(huntAt));
  const survivors = hunts.filter(({ caught }) => caught === undefined);
  console.log(`${hunts.length - survivors.length} passed, ${survivors.length} failed`);
  return survivors.length;
}

function sentenceOf({ mutant, caught, trouble }: Hunt): string {
  if (caught !== undefined) return `${mutant.name}: caught by seed ${caught.seed}, ${caught.by}`;
  return `${mutant.name}: SURVIVED ${mutant.seeds} seeds${trouble === '' ? '' : `: ${trouble}`}`;
}

/** What the simulation is made of, beside the product. */
const simulationParts = ['test/simulation', 'test/model', 'test/default-policy.ts'];

/** The seed that caught it last time is asked first; if that one is blind now, all of them. */
async function hunt(mutant: Mutant, place: string): Promise<Hunt> {
  using tree = new MutatedTree(mutant, simulationParts, place);
  const thread = new SeedThread({ folder: tree.folder });
  try {
    const known = recordedSeed(mutant.name);
    const again = known === undefined ? undefined : await huntFrom([known], mutant, thread);
    if (again?.caught !== undefined) return again;
    const { seeds, first = 1, step = 1 } = mutant;
    const all = Array.from({ length: seeds }, (_, index) => first + index * step);
    return await huntFrom(all, mutant, thread);
  } catch (error: unknown) {
    return { mutant, caught: undefined, trouble: String(error) };
  } finally {
    await thread.end();
  }
}

async function huntFrom(
  seeds: readonly number[],
  mutant: Mutant,
  thread: SeedThread,
): Promise<Hunt> {
  for (const seed of seeds) {
    const [by] = (await thread.run(seed)).violations;
    // A seed that fails anyway tells nothing of the mutant.
    if (by === undefined || failsAnyway(seed)) continue;
    // A core that throws was not caught by a checker.
    if (by.startsWith('X')) return { mutant, caught: undefined, trouble: by };
    return { mutant, caught: { seed, by }, trouble: '' };
  }
  return { mutant, caught: undefined, trouble: '' };
}

/** Mutants have their seeds in common. */
const failing = new Map<number, boolean>();

function failsAnyway(seed: number): boolean {
  const fails = failing.get(seed) ?? runSeed(seed).violations.length > 0;
  failing.set(seed, fails);
  return fails;
}

function recordedSeed(name: string): number | undefined {
  const seed = Number(rowIn(readFileSync(proofFile, 'utf8'), name)?.split(' | ')[2]);
  return Number.isInteger(seed) ? seed : undefined;
}

/** A row for each that was ever caught; those that were not hunted now keep theirs. */
function writeTable(hunts: readonly Hunt[]): void {
  const text = readFileSync(proofFile, 'utf8');
  const rows = mutants.flatMap(({ name, file, seeds }) => {
    const caught = hunts.find(({ mutant }) => mutant.name === name)?.caught;
    if (caught === undefined) return rowIn(text, name) ?? [];
    const said = caught.by.replaceAll('|', '\\|');
    return [`| ${name} | \`${file.replace('src/', '')}\` | ${caught.seed} | ${seeds} | ${said} |`];
  });
  const table = [
    begin,
    '',
    '| mistake | file | caught by seed | allowed | what the checker said |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    end,
  ].join('\n');
  const before = text.slice(0, text.indexOf(begin));
  const after = text.slice(text.indexOf(end) + end.length);
  writeFileSync(proofFile, before + table + after);
}

function rowIn(text: string, name: string): string | undefined {
  return text.split('\n').find((line) => line.startsWith(`| ${name} |`));
}
