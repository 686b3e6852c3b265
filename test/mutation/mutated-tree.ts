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

/** Below the project, so that they find its packages. */
export const mutantsFolder = join(root, '.cache', 'mutants');

/** By file, the texts with the mistake in them. Throws if an anchor does not occur exactly once. */
export function mutatedTexts(mutation: Mutation): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { file, anchor, replacement } of editsOf(mutation)) {
    const pieces = (texts.get(file) ?? readFileSync(join(root, file), 'utf8')).split(anchor);
    if (pieces.length !== 2) {
      throw new Error(`${mutation.name}: its anchor occurs ${pieces.length - 1} times in ${file}`);
    }
    texts.set(file, pieces.join(replacement));
  }
  return texts;
}

/** The project with a mistake in it, in a folder of its own. */
export class MutatedTree implements Disposable {
  readonly folder: string;

  /**
   * `place`: where it stands, in place of whatever stood there. Throws, and leaves nothing, if an
   * anchor does not occur exactly once.
   */
  constructor(mutation: Mutation, parts: readonly string[], place = mutation.name) {
    this.folder = join(mutantsFolder, `${place.replaceAll(' ', '-')}-${process.pid}`);
    const texts = mutatedTexts(mutation);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    for (const part of [...parts, 'src', 'proto', 'package.json', 'tsconfig.json']) {
      cpSync(join(root, part), join(this.folder, part), { recursive: true });
    }
    for (const [file, text] of texts) writeFileSync(join(this.folder, file), text);
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
