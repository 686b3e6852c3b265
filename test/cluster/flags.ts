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
  /** One for all that serve: they are all 127.0.0.1. */
  readonly serving: KeyPair;
  readonly signing: { readonly privateFile: string; readonly publicFile: string };
  readonly tokenFile: string;
  readonly etcdPort: number;
  readonly etcdPeerPort: number;
  readonly apiPort: number;
  readonly controllerManagerPort: number;
  readonly schedulerPort: number;
}

export function etcdArguments({ folder, etcdPort, etcdPeerPort }: Places): readonly string[] {
  const client = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${etcdPeerPort}`;
  return [
    `--data-dir=${join(folder, 'etcd')}`,
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
  const { serving, signing } = places;
  return [
    `--etcd-servers=http://127.0.0.1:${places.etcdPort}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${places.apiPort}`,
    // Without a default route it finds no address by itself; loopback is no address for Endpoints.
    '--advertise-address=127.0.0.1',
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
  const { signing, caFile, controllerManagerPort } = places;
  return [
    ...ofComponent('kube-controller-manager', places, controllerManagerPort),
    `--service-account-private-key-file=${signing.privateFile}`,
    `--root-ca-file=${caFile}`,
    '--use-service-account-credentials=true',
  ];
}

export function schedulerArguments(places: Places): readonly string[] {
  return ofComponent('kube-scheduler', places, places.schedulerPort);
}

function ofComponent(name: string, { folder, serving }: Places, port: number): readonly string[] {
  const kubeconfig = join(folder, `${name}.kubeconfig`);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
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
