import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildOptions } from 'esbuild';

/**
 * How the product is bundled: src/main.ts of the tree at `root` to one file that runs alone.
 * CommonJS, because the bundled dependencies are, and because Node's compile cache then works for
 * the whole of it.
 */
export function bundleOptions(root: string, outfile: string): BuildOptions & { outfile: string } {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
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
  };
}
