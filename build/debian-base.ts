import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** The packages that gcr.io/distroless/cc is made of, as far as a program needs them. */
export const basePackages = ['libc6', 'libgcc-s1', 'libstdc++6'] as const;

/**
 * Lays out what the image's base is for us, from the packages of the Debian that this runs on:
 * C library, its two companions, the users' names, and a /tmp.
 */
export function layDebianBase(folder: string, packages: readonly string[] = basePackages): void {
  const files = packages.flatMap((name) =>
    execFileSync('dpkg', ['-L', name], { encoding: 'utf8' }).split('\n'),
  );
  for (const file of files) if (isWanted(file)) copy(file, folder);
  const etc = join(folder, 'etc');
  mkdirSync(etc, { recursive: true });
  writeFileSync(
    join(etc, 'passwd'),
    'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
  );
  writeFileSync(join(etc, 'group'), 'root:x:0:\nnonroot:x:65532:\n');
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  chmodSync(join(folder, 'tmp'), 0o1777);
}

/** Not documentation, and not the converters between character sets, which Node brings itself. */
function isWanted(path: string): boolean {
  if (!/^\/(usr\/)?lib(64)?\//.test(path) || path.includes('/gconv/')) return false;
  return !lstatSync(path).isDirectory();
}

/** A file or a link, to the same place below the folder. */
function copy(path: string, folder: string): void {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) return;
  if (lstatSync(path).isSymbolicLink()) symlinkSync(readlinkSync(path), target);
  else copyFileSync(path, target);
}
