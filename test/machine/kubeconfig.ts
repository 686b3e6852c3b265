import { readFileSync, writeFileSync } from 'node:fs';
import type { ApiAccess } from './api-access.ts';

/** Writes what `--kubeconfig` reads: one cluster, one user, plain JSON (which is YAML). */
export function writeKubeconfig(path: string, { server, ca, token, client }: ApiAccess): void {
  const authority = ca === undefined ? {} : { 'certificate-authority-data': base64(ca) };
  const user = {
    ...(token === undefined ? {} : { token }),
    ...(client === undefined
      ? {}
      : {
          'client-certificate-data': base64(client.cert),
          'client-key-data': base64(client.key),
        }),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bed', cluster: { server, ...authority } }],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'bed', context: { cluster: 'bed', user: 'user' } }],
    'current-context': 'bed',
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

/** Reads what writeKubeconfig wrote, and nothing else. */
export function readKubeconfig(path: string): ApiAccess {
  const config = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly clusters: readonly {
      readonly cluster: { readonly server: string; readonly 'certificate-authority-data'?: string };
    }[];
    readonly users: readonly {
      readonly user: {
        readonly token?: string;
        readonly 'client-certificate-data'?: string;
        readonly 'client-key-data'?: string;
      };
    }[];
  };
  const cluster = config.clusters[0]?.cluster;
  const user = config.users[0]?.user;
  const { 'client-certificate-data': cert, 'client-key-data': key } = user ?? {};
  return {
    server: cluster?.server ?? '',
    ca: plain(cluster?.['certificate-authority-data']),
    token: user?.token,
    client:
      cert === undefined || key === undefined
        ? undefined
        : { cert: plain(cert) ?? '', key: plain(key) ?? '' },
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function plain(data: string | undefined): string | undefined {
  return data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8');
}
