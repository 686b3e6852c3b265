/** The manifests as kubectl makes and an API server takes them. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../cluster/start-cluster.ts';
import type { Manifest } from '../unit/manifests/manifest.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const exampleFolder = join(root, 'manifests/examples/test-driver');

/** Of the example. */
export const driver = 'test.csi-failover.io';
export const namespace = 'csi-test-driver';
export const agentAccount = 'csi-failover-node-test-driver';
export const controllerAccount = 'csi-failover-controller-test-driver';

/** What `kubectl kustomize` makes of a folder, in a file. */
export async function render(cluster: Cluster, folder: string): Promise<string> {
  const text = await cluster.kubectl(['kustomize', folder]);
  const file = join(cluster.folder, `rendered-${process.pid}-${performance.now()}.yaml`);
  writeFileSync(file, text);
  return file;
}

/**
 * A layer over the base of manifests/ as the README shows one, within a kustomization that has
 * another object of the driver's namespace: that changes what kustomize does with names.
 */
export async function renderLayer(cluster: Cluster, text: string, home: string): Promise<string> {
  const folder = join(realpathSync(cluster.folder), `layer-of-${home}`);
  const layer = join(folder, 'layer');
  mkdirSync(layer, { recursive: true });
  const base = relative(layer, join(root, 'manifests/base'));
  const yaml = text.replace('../csi-failover/manifests/base', base);
  writeFileSync(join(layer, 'kustomization.yaml'), yaml);
  const metadata = { namespace: home, name: 'something-of-the-driver' };
  const other = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
  writeFileSync(join(folder, 'other.yaml'), JSON.stringify(other));
  writeFileSync(join(folder, 'kustomization.yaml'), 'resources: [layer, other.yaml]\n');
  return await render(cluster, folder);
}

/** The objects as the API server shows them, with all defaults. */
export async function apply(
  cluster: Cluster,
  file: string,
  how: 'dry run' | 'for real',
): Promise<readonly Manifest[]> {
  const dryRun = how === 'dry run' ? ['--dry-run=server'] : [];
  const args = ['apply', '--server-side', '--output=json', `--filename=${file}`, ...dryRun];
  const output = JSON.parse(await cluster.kubectl(args)) as { readonly items: Manifest[] };
  return output.items;
}

export function find(items: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = items.find(
    (item) => item.kind === kind && (name === undefined || item.metadata.name === name),
  );
  if (found === undefined) throw new Error(`no ${kind} ${name ?? ''}`);
  return found;
}
