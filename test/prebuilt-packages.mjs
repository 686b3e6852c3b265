/**
 * Large packages as one file each for jest, which loads each file of theirs anew for each file of
 * tests: client-node alone has a thousand. Their code is as published, as it is in our bundle.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}.cache/packages`;
const names = ['@grpc/grpc-js', '@grpc/proto-loader', '@kubernetes/client-node'];

function fileOf(name) {
  const { version } = JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8'));
  return `${folder}/${name.replace('/', '-')}-${version}-node-${process.versions.node}.mjs`;
}

/** For jest's moduleNameMapper. */
export const prebuilt = Object.fromEntries(names.map((name) => [`^${name}$`, fileOf(name)]));

/** Jest's globalSetup: makes those that are not there yet. */
export default async function prebuild() {
  mkdirSync(folder, { recursive: true });
  await Promise.all(names.filter((name) => !existsSync(fileOf(name))).map(bundle));
}

async function bundle(name) {
  // What a CommonJS package exports shows only when it has run.
  const words = Object.keys(await import(name)).filter((word) =>
    /^(?!default$)[a-z_]\w*$/i.test(word),
  );
  // Not by its process id: in namespaces of their own several runs have the same.
  const whole = `${folder}/.${randomUUID()}.${name.replace('/', '-')}`;
  await build({
    stdin: {
      contents: `import * as all from '${name}'; export const { ${words.join(', ')} } = all;`,
      resolveDir: root,
    },
    outfile: whole,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  // Another run may be about to make the same.
  renameSync(whole, fileOf(name));
}
