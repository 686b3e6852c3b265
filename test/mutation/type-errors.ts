import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Mutation, mutantsFolder, mutatedTexts } from './mutated-tree.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * What the compiler objects to in each of the mutations; empty: it typechecks. They are looked at
 * in one run, each mutated file beside the whole one: it must be right in itself, and have the same
 * exports, so that whoever imports the whole one would be content with it, too.
 */
export function typeErrorsOf(mutations: readonly Mutation[]): readonly string[] {
  const folder = join(mutantsFolder, `types-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    for (const part of ['src', 'proto']) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    const project = { extends: '../../../tsconfig.json', include: ['src/**/*.mutant*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    for (const [index, mutation] of mutations.entries()) {
      for (const [file, text] of mutatedTexts(mutation)) {
        const stem = join(folder, file.replace(/\.ts$/, ''));
        writeFileSync(`${stem}.${mark(index)}.ts`, text);
        writeFileSync(`${stem}.${mark(index)}.exports.ts`, comparison(stem, index));
      }
    }
    return errorsByMutation(compile(folder), mutations.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function mark(index: number): string {
  return `mutant${index}`;
}

function comparison(stem: string, index: number): string {
  return [
    `import type * as whole from '${stem}.ts';`,
    `import * as mutated from '${stem}.${mark(index)}.ts';`,
    'export const same: typeof whole = mutated;',
  ].join('\n');
}

/** The lines that it printed. */
function compile(folder: string): readonly string[] {
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', '--pretty', 'false', '--project', folder];
  const { stdout, stderr, error } = spawnSync(tsc, options, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}

/** An error stands on one line, and its reasons, indented, on those behind it. */
function errorsByMutation(lines: readonly string[], count: number): readonly string[] {
  const errors = Array.from({ length: count }, () => '');
  let index = Number.NaN;
  for (const line of lines) {
    if (!line.startsWith(' ')) index = Number(/\.mutant(\d+)\./.exec(line)?.[1]);
    if (Number.isNaN(index)) throw new Error(`what is not mutated does not typecheck: ${line}`);
    errors[index] += `${line}\n`;
  }
  return errors;
}
