/**
 * Deliberate mistakes in the core that the simulation must catch. A mutant is the whole project
 * with one anchor replaced, which must occur exactly once, run in a folder of its own.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly anchor: string;
  readonly replacement: string;
  /** Within so many seeds it must be caught. */
  readonly seeds: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'no own taint',
    file: 'src/controller-mode/episode.ts',
    anchor: 'return node?.taints.some((taint) => taint.key === key) === true;',
    replacement: 'return key !== undefined;',
    seeds: 100,
  },
  {
    name: 'fence confirmation ignored',
    file: 'src/controller-mode/volumes.ts',
    anchor: "if (holdOf(attachment) !== 'held') return false;",
    replacement: "if (holdOf(attachment) === 'free') return false;",
    seeds: 200,
  },
  {
    name: 'shared volume ignored',
    file: 'src/controller-mode/volumes.ts',
    anchor: 'filter((pod) => pod.nodeName === nodeName)',
    replacement: 'filter((pod) => pod.selected && pod.nodeName === nodeName)',
    seeds: 200,
  },
];

const root = join(import.meta.dirname, '..', '..');

/** Runs every mutant; answers how many survived or could not be run. */
export async function catchMutants(): Promise<number> {
  const survivors = mutants.filter((mutant) => !isCaught(mutant));
  const { length } = survivors;
  console.log(`${mutants.length - length} passed, ${length} failed`);
  return length;
}

function isCaught(mutant: Mutant): boolean {
  const folder = join(root, '.cache', 'mutants', mutant.name.replaceAll(' ', '-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ['src', 'test', 'proto', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  const file = join(folder, mutant.file);
  const parts = readFileSync(file, 'utf8').split(mutant.anchor);
  if (parts.length !== 2) {
    console.log(`${mutant.name}: its anchor occurs ${parts.length - 1} times in ${mutant.file}`);
    return false;
  }
  writeFileSync(file, parts.join(mutant.replacement));
  const script = join(folder, 'test', 'simulation', 'simulate.ts');
  const options = ['--seeds', String(mutant.seeds), '--first-only'];
  const { status, stdout } = spawnSync(process.execPath, [script, ...options], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const first = stdout.split('\n').find((line) => line.startsWith('seed '));
  const caught = status === 1 && first !== undefined;
  console.log(`${mutant.name}: ${caught ? `caught, ${first}` : `SURVIVED (exit ${status})`}`);
  rmSync(folder, { recursive: true, force: true });
  return caught;
}
