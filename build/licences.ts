import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/**
 * The licences of all packages that may be part of the bundle, as one text: they ask to be
 * shipped with what is made of them. `root` is that of the repository, installed.
 */
export function licencesOfDependencies(root: string): string {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  return Object.entries(packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true && entry.optional !== true)
    .map(([path, entry]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      const title = `${name} ${entry.version ?? ''} (${entry.license ?? 'see below'})`;
      return `${'='.repeat(80)}\n${title}\n\n${licenceIn(join(root, path))}\n`;
    })
    .join('\n');
}

function licenceIn(folder: string): string {
  if (!existsSync(folder)) throw new Error(`${folder} is missing: run npm ci`);
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|notice)(\.|-|$)/i.test(name));
  return files.map((name) => readFileSync(join(folder, name), 'utf8').trim()).join('\n\n');
}
