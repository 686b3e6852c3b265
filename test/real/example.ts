/** The examples of an installation, and the worked one written for another driver. */
import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `sidecar`: csi-failover beside the driver, in its Deployment and its DaemonSet; `standalone`: the
 * agents in a DaemonSet of their own; `none`: the driver alone.
 */
export type Variant = 'sidecar' | 'standalone' | 'none';

/** By which names people know an installation. */
export interface InstalledNames {
  readonly driverName: string;
  readonly driverNamespace: string;
  readonly controllerName: string;
  readonly agentsName: string;
}

export const exampleNames: InstalledNames = namesFor('test');
/** The DaemonSet of agents that stand alone. */
export const standaloneName = 'csi-failover-node-agent';

const shipped = fileURLToPath(new URL('../../manifests', import.meta.url));
const sidecar = 'examples/test-driver';
const standalone = 'examples/standalone-agent';
/** On which the example's agents listen, on the network of the node. */
const port = 9654;

/** `word` stands where the example says `test`. */
export function namesFor(word: string): InstalledNames {
  const driverNamespace = `csi-${word}-driver`;
  return {
    driverName: `${word}.csi-failover.io`,
    driverNamespace,
    controllerName: `${driverNamespace}-controller`,
    agentsName: `${driverNamespace}-node`,
  };
}

/**
 * The folder of the example, or of a copy below `folder`, written as somebody does it for a driver of
 * his own: everything has another name, and the agents have a port of their own.
 */
export function exampleFor(names: InstalledNames, variant: Variant, folder: string): string {
  const example = variant === 'standalone' ? standalone : sidecar;
  if (names === exampleNames) return join(shipped, example);
  const copy = join(folder, 'manifests');
  cpSync(shipped, copy, { recursive: true });
  const suffix = names.driverNamespace.replace('csi', '');
  for (const file of globSync(`${example}/**/*.yaml`, { cwd: copy })) {
    const text = readFileSync(join(copy, file), 'utf8')
      .replaceAll(exampleNames.driverName, names.driverName)
      // The image of the driver is the same one.
      .replaceAll(/(?<!csi-failover)-test-driver/g, suffix)
      .replaceAll(String(port), String(port + 1));
    writeFileSync(join(copy, file), text);
  }
  return join(copy, example);
}
