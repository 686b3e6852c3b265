import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One piece of one file, which must occur there exactly once, and what stands there instead. */
export interface Edit {
  readonly file: string;
  readonly anchor: string;
  readonly replacement: string;
}

/** A deliberate mistake. */
export interface Mutation extends Edit {
  readonly name: string;
  /** What would make up for it, left out as well. */
  readonly also?: Edit | readonly Edit[];
}

export function editsOf({ name: _name, also = [], ...first }: Mutation): readonly Edit[] {
  return [first, also].flat();
}

const root = join(import.meta.dirname, '..', '..');

/** The project with a mistake in it, in a folder below .cache, from where it finds its packages. */
export class MutatedTree implements Disposable {
  readonly folder: string;

  /** Throws, and leaves nothing, if the anchor does not occur exactly once. */
  constructor(mutation: Mutation, parts: readonly string[]) {
    const { name } = mutation;
    this.folder = join(root, '.cache', 'mutants', `${name.replaceAll(' ', '-')}-${process.pid}`);
    const edited = new Map<string, string>();
    for (const { file, anchor, replacement } of editsOf(mutation)) {
      const pieces = (edited.get(file) ?? readFileSync(join(root, file), 'utf8')).split(anchor);
      if (pieces.length !== 2) {
        throw new Error(`${name}: its anchor occurs ${pieces.length - 1} times in ${file}`);
      }
      edited.set(file, pieces.join(replacement));
    }
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    for (const part of [...parts, 'src', 'proto', 'package.json', 'tsconfig.json']) {
      cpSync(join(root, part), join(this.folder, part), { recursive: true });
    }
    for (const [file, text] of edited) writeFileSync(join(this.folder, file), text);
  }

  /** What the compiler objects to; empty: it typechecks. */
  typeErrors(): string {
    return run(join(root, 'node_modules', '.bin', 'tsc'), ['--noEmit', '--project', this.folder]);
  }

  /** The bundle as the product's is made; needs the part `build`. */
  bundle(): string {
    const errors = run(process.execPath, [join(this.folder, 'build', 'bundle.ts')]);
    if (errors !== '') throw new Error(errors);
    return join(this.folder, 'dist', 'csi-failover.cjs');
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What it printed if it failed. */
function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return '';
  return `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` || `${command} failed`;
}
