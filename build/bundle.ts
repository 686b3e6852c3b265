/**
 * Bundles everything to one dist/csi-failover.cjs, which runs alone in an empty folder: the demo,
 * the end-to-end tests and the image run that file.
 */
import { chmodSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleOptions } from './bundle-options.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = bundleOptions(root, `${root}dist/csi-failover.cjs`);
const { errors, warnings } = await build(options);

if (errors.length + warnings.length > 0) {
  // A warning here is most often import.meta or a require that fails only at run time.
  console.error('the bundler is not content, see above');
  process.exit(1);
}
chmodSync(options.outfile, 0o755);
console.log(`dist/csi-failover.cjs, ${Math.round(statSync(options.outfile).size / 1024)} KiB`);
