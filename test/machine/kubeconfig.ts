import { readFileSync, writeFileSync } from 'node:fs';

/** Writes what `--kubeconfig` reads: one cluster, one user, plain JSON (which is YAML). */
export function writeKubeconfig(path: string, server: string, token: string): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bed', cluster: { server } }],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'bed', context: { cluster: 'bed', user: 'user' } }],
    'current-context': 'bed',
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

/** Reads what writeKubeconfig wrote, and nothing else. */
export function readKubeconfig(path: string): { readonly server: string; readonly token: string } {
  const config = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  return {
    server: config.clusters[0]?.cluster.server ?? '',
    token: config.users[0]?.user.token ?? '',
  };
}
