/**
 * `node build/oci-image.ts <archive> [name]` builds the image without an engine: the same files as
 * the Dockerfile lays over its base, over the libraries of the Debian that this runs on. For tests,
 * and for machines without Docker: `ctr -n k8s.io images import <archive>`.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layDebianBase } from './debian-base.ts';
import { type ImagePlan, makeLayer, writeOciArchive } from './oci-archive.ts';
import { image, stageImage } from './stage-image.ts';

export const defaultImageName = 'docker.io/library/csi-failover:0.1.0';

/** Its layers are made in `folder`, and needed until an archive is written. */
export function productImage(folder: string, name: string): ImagePlan {
  // The compile cache is primed as another user, who must be able to come here.
  chmodSync(folder, 0o755);
  const base = join(folder, 'base');
  layDebianBase(base);
  const staged = join(folder, 'staged');
  stageImage(staged);
  return {
    name,
    layers: [makeLayer(base, folder), makeLayer(staged, folder)],
    entrypoint: image.entrypoint,
    environment: image.environment,
    user: `${image.user}:${image.user}`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [archive, name = defaultImageName] = process.argv.slice(2);
  if (archive === undefined) {
    console.error('usage: node build/oci-image.ts <archive> [name]');
    process.exit(2);
  }
  const folder = mkdtempSync(join(tmpdir(), 'csi-failover-image-'));
  try {
    writeOciArchive(archive, [productImage(folder, name)]);
    console.log(`${archive}: ${name}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
