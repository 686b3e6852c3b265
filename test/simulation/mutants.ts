/**
 * Hunts mutants: the project with one mistake in it, run seed by seed until a checker objects. What
 * does not typecheck, or dies of itself, counts as not caught; nor does what a checker says of a
 * seed that fails without the mistake, too.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MutatedTree } from '../mutation/mutated-tree.ts';
import { type Mutant, mutants } from './mutant-list.ts';
import { runSeed } from './run.ts';

interface Hunt {
  readonly mutant: Mutant;
  /** The first seed that caught it, and what its checker said; undefined: it survived. */
  readonly caught: { readonly seed: number; readonly by: string } | undefined;
  readonly trouble: string;
}

interface Range {
  readonly from: number;
  readonly seeds: number;
  readonly step: number;
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
  // Those without a row first, and of these first where the fewest seeds are to be run.
  const isKnown = ({ name }: Mutant): number => Number(recordedSeed(name) !== undefined);
  const waiting = chosen.toSorted((a, b) => isKnown(a) - isKnown(b) || a.seeds - b.seeds);
  const hunts: Hunt[] = [];
  const hunt = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const done = await huntInProcess(mutant);
      hunts.push(done);
      if (update) writeTable(hunts);
      console.log(sentenceOf(done));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, hunt));
  const survivors = hunts.filter(({ caught }) => caught === undefined);
  console.log(`${hunts.length - survivors.length} passed, ${survivors.length} failed`);
  return survivors.length;
}

/** One of them, in this process; prints the hunt as JSON for whoever called it. */
export function catchOne(name: string): number {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`no such mutant: ${name}`);
  console.log(JSON.stringify(huntHere(mutant)));
  return 0;
}

function sentenceOf({ mutant, caught, trouble }: Hunt): string {
  if (caught !== undefined) return `${mutant.name}: caught by seed ${caught.seed}, ${caught.by}`;
  return `${mutant.name}: SURVIVED ${mutant.seeds} seeds${trouble === '' ? '' : `: ${trouble}`}`;
}

/** A process of its own for each, so that they run side by side. */
async function huntInProcess(mutant: Mutant): Promise<Hunt> {
  const script = join(import.meta.dirname, 'simulate.ts');
  const child = spawn(process.execPath, [script, '--mutant', mutant.name], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  await new Promise((resolve) => {
    child.on('close', resolve);
  });
  try {
    return JSON.parse(output) as Hunt;
  } catch {
    return { mutant, caught: undefined, trouble: errors.slice(0, 500) };
  }
}

/** What the simulation is made of, beside the product. */
const simulationParts = [
  'test/simulation',
  'test/model',
  'test/default-policy.ts',
  'test/mutation/mutated-tree.ts',
];

/** The seed that caught it last time is asked first; if that one is blind now, all of them. */
function huntHere(mutant: Mutant): Hunt {
  using tree = new MutatedTree(mutant, simulationParts);
  const typeErrors = tree.typeErrors();
  if (typeErrors !== '') return { mutant, caught: undefined, trouble: typeErrors };
  const known = recordedSeed(mutant.name);
  if (known !== undefined) {
    const again = huntFrom(mutant, tree.folder, { from: known, seeds: 1, step: 1 });
    if (again.caught !== undefined) return again;
  }
  const { seeds, first = 1, step = 1 } = mutant;
  return huntFrom(mutant, tree.folder, { from: first, seeds, step });
}

/** A seed that fails anyway tells nothing of the mutant: the hunt goes on behind it. */
function huntFrom(mutant: Mutant, folder: string, { from, seeds, step }: Range): Hunt {
  const hunt = firstFailure(mutant, folder, { from, seeds, step });
  const { caught } = hunt;
  if (caught === undefined || runSeed(caught.seed).violations.length === 0) return hunt;
  const next = caught.seed + step;
  const left = seeds - (next - from) / step;
  if (left > 0) return huntFrom(mutant, folder, { from: next, seeds: left, step });
  return { mutant, caught: undefined, trouble: '' };
}

function firstFailure(mutant: Mutant, folder: string, { from, seeds, step }: Range): Hunt {
  const script = join(folder, 'test', 'simulation', 'simulate.ts');
  const range = ['--from', String(from), '--seeds', String(seeds), '--step', String(step)];
  const options = [...range, '--fresh-only', '--first-only', '--workers', '1'];
  const { stdout, stderr } = spawnSync(process.execPath, [script, ...options], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const [, seed, by] = /^seed (\d+): ([^;\n]*)/m.exec(stdout) ?? [];
  // A core that throws was not caught by a checker.
  if (seed === undefined || by === undefined || by.startsWith('X')) {
    return { mutant, caught: undefined, trouble: `${by ?? ''}${stderr.slice(0, 500)}` };
  }
  return { mutant, caught: { seed: Number(seed), by }, trouble: '' };
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
