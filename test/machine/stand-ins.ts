/**
 * The programs of stand-ins, each bundled to one file: each machine starts three of them, and to
 * load a hundred files of packages was most of that.
 */
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const programs = {
  array: 'test/array/main',
  driver: 'test/driver/main',
  kubelet: 'test/machine/kubelet-process',
  runtime: 'test/machine/runtime-process',
} as const;

const root = fileURLToPath(new URL('../../', import.meta.url));
/** All that they are made of. */
const sources = ['package-lock.json', '{src/shared,test/{array,driver,machine,model}}/**/*.ts'];
/** They look for these beside their sources. */
const protos = ['proto', 'test/driver/driver.proto'];
const cache = join(root, '.cache/stand-ins');
const dayMs = 24 * 60 * 60 * 1_000;

let folder: string | undefined;

/** The file to start it by, made if it is not as its sources are. */
export function standIn(name: keyof typeof programs): string {
  folder ??= bundled();
  return join(folder, `${programs[name]}.cjs`);
}

function bundled(): string {
  const target = join(cache, stateOfSources());
  if (existsSync(target)) return target;
  for (const old of globSync('*', { cwd: cache })) {
    const path = join(cache, old);
    if (statSync(path).mtimeMs < Date.now() - dayMs) rmSync(path, { recursive: true, force: true });
  }
  // Not by its process id: in namespaces of their own several runs have the same.
  const whole = join(cache, `unfinished-${randomUUID()}`);
  mkdirSync(whole, { recursive: true });
  bundle(whole);
  for (const proto of protos) cpSync(join(root, proto), join(whole, proto), { recursive: true });
  try {
    renameSync(whole, target);
  } catch (error: unknown) {
    // Somebody else was about to make the same.
    rmSync(whole, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function stateOfSources(): string {
  const hash = createHash('sha256').update(process.version);
  for (const file of globSync(sources, { cwd: root }).sort()) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

function bundle(target: string): void {
  // Not by an import: most files of tests find the bundles made.
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild');
  const { metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: Object.values(programs).map((name) => `${name}.ts`),
    outbase: '.',
    outdir: target,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    define: { 'import.meta.url': 'importedFrom' },
    banner: {
      js: "const importedFrom = require('node:url').pathToFileURL(__filename).href;",
    },
    metafile: true,
    logLevel: 'warning',
  });
  const known = new Set(globSync(sources, { cwd: root }));
  const unknown = Object.keys(metafile.inputs).filter(
    (file) => !file.startsWith('node_modules/') && !known.has(file),
  );
  if (unknown.length > 0) throw new Error(`no source of stand-ins: ${unknown.join(', ')}`);
}
