/**
 * The images of a bed as containerd keeps them, so that they are built and unpacked once and not on
 * every machine: `node test/real/image-store.ts <folder>`, in namespaces, makes such a store there
 * for several beds.
 */
import { chmodSync, copyFileSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ensureBinaries, ensureNodeBinaries } from '../cluster/binaries.ts';
import { eventually } from '../machine/eventually.ts';
import { ManagedProcess } from '../machine/process.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { run } from './command.ts';
import { buildImages } from './images.ts';

/** Names the folder of a store that somebody has made for this bed, too. */
export const storeVariable = 'CSI_FAILOVER_TEST_IMAGES';

/** Makes a store in the folder, which must not be there. */
export async function makeImageStore(store: string): Promise<void> {
  const { 'csi-attacher': attacher } = await ensureBinaries();
  const { containerd, ctr } = await ensureNodeBinaries();
  using scratch = new ScratchFolder('images-');
  // The cache of the product's image is made as another user.
  chmodSync(scratch.path, 0o755);
  const archive = buildImages(join(scratch.path, 'images'), attacher);
  const socket = join(scratch.path, 'containerd.sock');
  const config = join(scratch.path, 'config.toml');
  writeFileSync(config, configOf(store, join(scratch.path, 'state'), socket));
  await using daemon = new ManagedProcess({
    name: 'containerd',
    command: containerd,
    args: [`--config=${config}`],
    env: { PATH: `${dirname(containerd)}:${process.env['PATH']}` },
    logFile: join(scratch.path, 'containerd.log'),
    runId: 'images',
  });
  const ask = async (...words: readonly string[]): Promise<string> =>
    await run(ctr, `--address=${socket}`, '--namespace=k8s.io', ...words);
  await eventually(() => ask('version'), { what: 'containerd', withinMs: 30_000, everyMs: 100 });
  await ask('images', 'import', archive);
  // In order: it has to finish writing its databases.
  await daemon.stop();
  // Who it was: each machine's is another.
  rmSync(join(store, 'io.containerd.grpc.v1.introspection'), { recursive: true });
}

/**
 * Lays the store where a containerd that has not run yet keeps what it has. What is in an image is
 * never written again, and is shared; the databases are its own.
 */
export async function layImages(store: string, target: string): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  await run('cp', '--archive', '--link', '--no-target-directory', store, target);
  for (const file of globSync('*/*.db', { cwd: store })) {
    rmSync(join(target, file));
    copyFileSync(join(store, file), join(target, file));
  }
}

function configOf(root: string, state: string, socket: string): string {
  return `version = 3
root = '${root}'
state = '${state}'
disabled_plugins = ['io.containerd.snapshotter.v1.blockfile', 'io.containerd.tracing.processor.v1.otlp', 'io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime']
[grpc]
  address = '${socket}'
[ttrpc]
  address = '${socket}.ttrpc'
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    console.error('usage: node test/real/image-store.ts <folder>');
    process.exit(2);
  }
  await makeImageStore(folder);
}
