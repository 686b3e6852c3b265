/**
 * The command lines of the control plane: those of a stock installation, on loopback. Timings are
 * the components' own defaults.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPair } from './authority.ts';

export interface Places {
  readonly folder: string;
  readonly caFile: string;
  /** One for all that serve. */
  readonly serving: KeyPair;
  readonly signing: { readonly privateFile: string; readonly publicFile: string };
  readonly tokenFile: string;
  /** Where all listen, each at the port that it is known by. */
  readonly address: string;
  /** Where the API server listens instead, if others than this computer shall reach it. */
  readonly api: { readonly address: string; readonly port: number };
}

/** What each listens at in a stock installation. */
export const ports = {
  etcd: 2379,
  'etcd peers': 2380,
  'kube-apiserver': 6443,
  'kube-controller-manager': 10_257,
  'kube-scheduler': 10_259,
} as const;

export function etcdUrlOf({ address }: Places): string {
  return `http://${address}:${ports.etcd}`;
}

export function etcdArguments(places: Places): readonly string[] {
  const client = etcdUrlOf(places);
  const peer = `http://${places.address}:${ports['etcd peers']}`;
  return [
    `--data-dir=${join(places.folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Nothing here has to survive a power failure, and the disk of a test machine is slow.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export function apiServerArguments(places: Places): readonly string[] {
  const { serving, signing, api } = places;
  return [
    `--etcd-servers=${etcdUrlOf(places)}`,
    `--bind-address=${api.address}`,
    `--secure-port=${api.port}`,
    // Without a default route it finds no address by itself; loopback is no address for Endpoints.
    `--advertise-address=${api.address}`,
    '--endpoint-reconciler-type=none',
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    `--client-ca-file=${places.caFile}`,
    `--token-auth-file=${places.tokenFile}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${signing.publicFile}`,
    `--service-account-signing-key-file=${signing.privateFile}`,
    '--allow-privileged=true',
    `--audit-policy-file=${auditPolicy(places.folder)}`,
    `--audit-log-path=${join(places.folder, 'audit.log')}`,
  ];
}

export function controllerManagerArguments(places: Places): readonly string[] {
  const { signing, caFile } = places;
  return [
    ...ofComponent('kube-controller-manager', places),
    `--service-account-private-key-file=${signing.privateFile}`,
    `--root-ca-file=${caFile}`,
    '--use-service-account-credentials=true',
  ];
}

export function schedulerArguments(places: Places): readonly string[] {
  return ofComponent('kube-scheduler', places);
}

function ofComponent(
  name: 'kube-controller-manager' | 'kube-scheduler',
  { folder, serving, address }: Places,
): readonly string[] {
  const kubeconfig = join(folder, `${name}.kubeconfig`);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${address}`,
    `--secure-port=${ports[name]}`,
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    '--leader-elect=false',
  ];
}

/**
 * Who of the service accounts asked for what, and how it was answered: one line of JSON per
 * request, without bodies. Those of the controller manager are not what is looked at.
 */
function auditPolicy(folder: string): string {
  const path = join(folder, 'audit-policy.yaml');
  const policy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', userGroups: ['system:serviceaccounts:kube-system'] },
      { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
      { level: 'None' },
    ],
  };
  writeFileSync(path, JSON.stringify(policy));
  return path;
}
