/** What is said on top of an example: where the bed's array is, and what to do with it. */
import { relative } from 'node:path';
import { type DialectName, dialects } from '../driver/dialect.ts';
import {
  defaultControllerCapabilities,
  defaultNodeCapabilities,
} from '../driver/service-capabilities.ts';
import { exampleFor, type InstalledNames, standaloneName, type Variant } from './example.ts';
import { arrayAddresses } from './real-bed.ts';
import { driverFaults } from './real-machine.ts';

export const containers = '/spec/template/spec/containers';

/**
 * Where the array is, what the driver needs of the machine to mount what it serves, and where it
 * reads what it is to do wrong.
 */
export function kustomization(
  folder: string,
  names: InstalledNames,
  { variant, dialect }: { readonly variant: Variant; readonly dialect: DialectName },
): object {
  const nodeCan = [...defaultNodeCapabilities, ...dialects[dialect].node];
  const controllerCan = [...defaultControllerCapabilities, ...dialects[dialect].controller];
  const place = { name: 'block-layer', mountPath: '/run/block-layer' };
  const told = [
    add(`${containers}/0/args/-`, `--faults-file=${driverFaults.folder}/${driverFaults.file}`),
    add(`${containers}/0/volumeMounts/-`, { name: 'faults', mountPath: driverFaults.folder }),
    add(
      '/spec/template/spec/volumes/-',
      hostPath('faults', driverFaults.folder, 'DirectoryOrCreate'),
    ),
  ];
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(folder, exampleFor(names, variant, folder))],
    patches: [
      patch('Deployment', names.controllerName, [
        replace(`${containers}/0/args/3`, `--array-admin=${arrayAddresses.admin}`),
        add(`${containers}/0/args/-`, `--capabilities=${controllerCan.join(',')}`),
        ...told,
      ]),
      patch('DaemonSet', names.agentsName, [
        replace(`${containers}/0/args/4`, `--array-nbd=${arrayAddresses.nbd}`),
        add(`${containers}/0/args/-`, `--block-layer=${place.mountPath}/socket`),
        add(`${containers}/0/args/-`, `--node-capabilities=${nodeCan.join(',')}`),
        add(`${containers}/0/volumeMounts/-`, { ...place, mountPropagation: 'HostToContainer' }),
        add(`${containers}/0/volumeMounts/-`, { name: 'devices', mountPath: '/dev' }),
        add('/spec/template/spec/volumes/-', hostPath(place.name, place.mountPath)),
        add('/spec/template/spec/volumes/-', hostPath('devices', '/dev')),
        ...told,
      ]),
      ...ours(variant, names),
    ],
  };
}

/** csi-failover is the last of the three containers where it stands beside the driver. */
function ours(variant: Variant, names: InstalledNames): readonly object[] {
  switch (variant) {
    case 'sidecar':
      return [patch('DaemonSet', names.agentsName, bootId(2))];
    case 'standalone':
      return [patch('DaemonSet', standaloneName, bootId(0))];
    case 'none':
      return [
        patch('Deployment', names.controllerName, [{ op: 'remove', path: `${containers}/2` }]),
        patch('DaemonSet', names.agentsName, [{ op: 'remove', path: `${containers}/2` }]),
      ];
  }
}

/** A container sees the boot id of the kernel, which here all machines share and which outlives them. */
function bootId(container: number): readonly object[] {
  const place = { name: 'boot-id', mountPath: '/machine/boot_id' };
  return [
    add(`${containers}/${container}/args/-`, `--boot-id-file=${place.mountPath}`),
    add(`${containers}/${container}/volumeMounts/-`, place),
    add(
      '/spec/template/spec/volumes/-',
      hostPath(place.name, '/proc/sys/kernel/random/boot_id', 'File'),
    ),
  ];
}

function patch(kind: string, name: string, operations: readonly object[]): object {
  return { target: { kind, name }, patch: JSON.stringify(operations) };
}

export function replace(path: string, value: unknown): object {
  return { op: 'replace', path, value };
}

function add(path: string, value: unknown): object {
  return { op: 'add', path, value };
}

function hostPath(
  name: string,
  path: string,
  type: 'Directory' | 'DirectoryOrCreate' | 'File' = 'Directory',
): object {
  return { name, hostPath: { path, type } };
}
