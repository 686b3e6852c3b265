/** The images of a bed of real machines, none of which could be pulled. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { type ImagePlan, makeLayer, writeOciArchive } from '../../build/oci-archive.ts';
import { defaultImageName, productImage } from '../../build/oci-image.ts';
import { image } from '../../build/stage-image.ts';

export const imageNames = {
  pause: 'localhost/pause:1',
  product: defaultImageName,
  driver: 'docker.io/library/csi-failover-test-driver:0.1.0',
  attacher: 'registry.k8s.io/sig-storage/csi-attacher:v4.12.0',
  registrar: 'registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0',
} as const;

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What the test driver runs. */
const tools = ['/bin/mount', '/bin/umount', '/sbin/losetup', '/sbin/mkfs.ext4'];
/** Where its programs are in the image: as in the repository, because they look for their .proto. */
const programs = {
  driver: 'test/driver/main.ts',
  registrar: 'test/driver/registrar.ts',
  writer: 'test/array/file-writer.ts',
};

/** The command of a pod that writes to a mounted volume. */
export const writerCommand = [image.entrypoint[0], inImage(programs.writer)];

/** Builds all of them into one archive; `csiAttacher` is the executable. */
export function buildImages(folder: string, csiAttacher: string): string {
  mkdirSync(folder, { recursive: true });
  const product = productImage(folder, imageNames.product);
  const own = join(folder, 'test-programs');
  layPrograms(own);
  const layers = [...product.layers, makeLayer(own, folder)];
  const program = (name: string, file: string): ImagePlan => ({
    name,
    layers,
    entrypoint: [image.entrypoint[0], inImage(file)],
  });
  const archive = join(folder, 'images.tar');
  writeOciArchive(archive, [
    product,
    program(imageNames.driver, programs.driver),
    program(imageNames.registrar, programs.registrar),
    single(imageNames.attacher, folder, csiAttacher),
    single(imageNames.pause, folder, '/bin/busybox', 'sleep', '2147483647'),
  ]);
  return archive;
}

function layPrograms(folder: string): void {
  buildSync({
    absWorkingDir: root,
    entryPoints: Object.values(programs),
    outbase: '.',
    outdir: join(folder, 'app'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // The bundled packages are CommonJS, and want a require.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  for (const file of [
    'proto/csi.proto',
    'test/driver/driver.proto',
    'test/driver/registration.proto',
  ]) {
    mkdirSync(dirname(join(folder, 'app', file)), { recursive: true });
    copyFileSync(join(root, file), join(folder, 'app', file));
  }
  for (const tool of tools) copyWithLibraries(tool, folder);
}

/** An image of one static program. */
function single(name: string, folder: string, file: string, ...args: readonly string[]): ImagePlan {
  const place = join(folder, basename(file));
  mkdirSync(place, { recursive: true });
  const target = join(place, basename(file));
  cpSync(file, target);
  chmodSync(target, 0o755);
  const entrypoint = [`/${basename(file)}`, ...args];
  return { name, layers: [makeLayer(place, folder)], entrypoint, user: '65532:65532' };
}

function copyWithLibraries(program: string, folder: string): void {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  const libraries = listed.match(/\/\S+\.so\S*/g) ?? [];
  for (const file of [program, ...libraries]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(file, join(folder, file));
  }
}

function inImage(program: string): string {
  return `/app/${program.replace(/\.ts$/, '.mjs')}`;
}
