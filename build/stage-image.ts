/**
 * `node build/stage-image.ts <folder>` lays out everything that the image adds to its base: the
 * node binary of the pinned npm package, the bundle, its primed compile cache, and the licences.
 * The Dockerfile copies that folder to `/`; the tests run what is in it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licencesOfDependencies } from './licences.ts';
import { primeCache } from './prime-cache.ts';

/** What the Dockerfile says, too; a test compares the two. */
export const image = {
  base: 'gcr.io/distroless/cc-debian13:nonroot',
  user: 65532,
  entrypoint: ['/csi-failover/node', '/csi-failover/csi-failover.cjs'],
  environment: {
    // One heap of malloc instead of one for each thread: megabytes less, for threads that idle.
    MALLOC_ARENA_MAX: '1',
    NODE_COMPILE_CACHE: '/csi-failover/cache',
    // The cache knows the bundle by its place beside it, so it may be primed somewhere else.
    NODE_COMPILE_CACHE_PORTABLE: '1',
  },
} as const;

/** Node mode reads the kubelet's directory and therefore runs as root, without capabilities. */
const uids = [image.user, 0];

const root = fileURLToPath(new URL('..', import.meta.url));

export function stageImage(folder: string): void {
  const home = join(folder, 'csi-failover');
  mkdirSync(home, { recursive: true, mode: 0o755 });
  const node = join(home, 'node');
  const bundle = join(home, 'csi-failover.cjs');
  const distribution = join(root, 'node_modules', `node-linux-${process.arch}`);
  copyFileSync(join(distribution, 'bin/node'), node);
  strip(node);
  chmodSync(node, 0o755);
  copyFileSync(join(root, 'dist/csi-failover.cjs'), bundle);
  chmodSync(bundle, 0o644);
  const cache = join(home, 'cache');
  const primed = primeCache({ node, bundle, cache, environment: image.environment, uids });
  copyFileSync(join(root, 'LICENSE'), join(home, 'LICENSE'));
  copyFileSync(join(distribution, 'LICENSE'), join(home, 'LICENSE.node'));
  writeFileSync(join(home, 'LICENSE.dependencies'), licencesOfDependencies(root));
  console.log(`${home}: compile cache primed for users ${primed.join(', ')}`);
}

/** Takes 18 MB of symbols out, where there is a strip; without it the image is only larger. */
function strip(binary: string): void {
  const { error, status, stderr } = spawnSync('strip', [binary]);
  if (error !== undefined) console.log('no strip here: the symbols of node stay in');
  else if (status !== 0) throw new Error(`strip ${binary}: ${String(stderr)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (folder === undefined || existsSync(join(folder, 'csi-failover'))) {
    console.error('usage: node build/stage-image.ts <folder>, in which there is nothing yet');
    process.exit(2);
  }
  stageImage(resolve(folder));
}
