import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A blob of an image: a file that is called by its SHA-256. */
interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Files that lie over those of the layers below. */
export type Layer = Blob & { readonly file: string };

export interface ImagePlan {
  /** `registry.example.com/name:tag`. */
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly entrypoint: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** `user:group`; default root. */
  readonly user?: string;
}

/** Everything below `folder`, which becomes `/`, owned by root; the tar file is made in `target`. */
export function makeLayer(folder: string, target: string): Layer {
  mkdirSync(target, { recursive: true });
  const file = join(target, `${randomUUID()}.tar`);
  tar(file, folder, ['.']);
  return { ...describe(readFileSync(file)), file };
}

/**
 * Writes images into one archive of the OCI image layout (image-spec, image-layout.md), which
 * `ctr images import`, `podman load` and `skopeo copy oci-archive:` take. Layers are not compressed.
 */
export function writeOciArchive(archive: string, images: readonly ImagePlan[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'csi-failover-oci-'));
  try {
    const blobs = join(folder, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const manifests = images.map((image) => writeImage(blobs, image));
    writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const index = { schemaVersion: 2, mediaType, manifests };
    writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
    const unfinished = `${resolve(archive)}.next`;
    tar(unfinished, folder, ['oci-layout', 'index.json', 'blobs']);
    renameSync(unfinished, archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the index says of an image. */
function writeImage(blobs: string, image: ImagePlan): object {
  for (const { digest, file } of image.layers) putFile(blobs, digest, file);
  const { user = '', environment = {} } = image;
  const config = putJson(blobs, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      User: user,
      Env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      Entrypoint: image.entrypoint,
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: image.layers.map(({ digest }) => digest) },
  });
  const layerType = 'application/vnd.oci.image.layer.v1.tar';
  const manifest = putJson(blobs, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: image.layers.map(({ digest, size }) => ({ mediaType: layerType, digest, size })),
  });
  const [, tag = 'latest'] = /:([^:/]+)$/.exec(image.name) ?? [];
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    ...manifest,
    annotations: {
      'io.containerd.image.name': image.name,
      'org.opencontainers.image.ref.name': tag,
    },
  };
}

function putJson(blobs: string, value: object): Blob {
  const data = Buffer.from(JSON.stringify(value));
  const blob = describe(data);
  writeFileSync(pathOf(blobs, blob.digest), data);
  return blob;
}

/** Images may share it. */
function putFile(blobs: string, digest: string, file: string): void {
  const target = pathOf(blobs, digest);
  if (statSync(target, { throwIfNoEntry: false }) === undefined) copyFileSync(file, target);
}

function describe(data: Buffer): Blob {
  return {
    digest: `sha256:${createHash('sha256').update(data).digest('hex')}`,
    size: data.length,
  };
}

function pathOf(blobs: string, digest: string): string {
  return join(blobs, digest.slice('sha256:'.length));
}

/** The same bytes for the same files, whoever makes it and when. */
function tar(archive: string, folder: string, names: readonly string[]): void {
  const steady = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const args = [...steady, `--directory=${folder}`, `--file=${archive}`, '--create', ...names];
  const { error, status, stderr } = spawnSync('tar', args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`tar ${folder}: ${stderr}`);
}
