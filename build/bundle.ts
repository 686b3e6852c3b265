/**
 * Bundles everything to one dist/csi-failover.cjs, which runs alone in an empty folder: the demo,
 * the end-to-end tests and the image run that file. CommonJS, because the bundled dependencies
 * are, and because Node's compile cache then works for the whole of it.
 */
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = `${root}dist/csi-failover.cjs`;

const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };

const { errors, warnings } = await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  minify: true,
  // Names of errors and classes are read by people, in logs.
  keepNames: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  sourcemap: false,
  legalComments: 'none',
  banner: { js: '#!/usr/bin/env node' },
  define: { CSI_FAILOVER_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});

if (errors.length + warnings.length > 0) {
  // A warning here is most often import.meta or a require that fails only at run time.
  console.error('the bundler is not content, see above');
  process.exit(1);
}
chmodSync(outfile, 0o755);
console.log(`dist/csi-failover.cjs ${version}, ${Math.round(statSync(outfile).size / 1024)} KiB`);
