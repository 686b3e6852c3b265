import { type DialectName, dialects } from '../driver/dialect.ts';
import { defaultNodeCapabilities } from '../driver/service-capabilities.ts';
import { standIn } from './stand-ins.ts';

/** The processes that a stand-in machine is made of. */
export type Part = 'plugin' | 'runtime' | 'kubelet' | 'agent';

/** What whoever builds the cluster says of a machine. */
export interface MachineFlags {
  /** Name of the Node, and the id by which the array knows it. */
  readonly name: string;
  readonly driverName: string;
  /** Namespace of the driver, and of the heartbeat Leases. */
  readonly namespace: string;
  /** `dist/csi-failover.cjs`; undefined: the machine has no agent of ours. */
  readonly bundle: string | undefined;
  /** Drivers beside the first one, each with a plugin and an agent of its own on the machine. */
  readonly otherDrivers?: readonly MachineDriver[];
  /** Flags of the agent beyond those that say where things are. */
  readonly agentFlags?: readonly string[];
  readonly kubeletFlags?: readonly string[];
  readonly writeIntervalMs?: number;
  /** How the plugins tell the health of volumes. */
  readonly dialect: DialectName;
}

export interface MachineDriver {
  readonly driverName: string;
  /** Of the driver, and of the heartbeat Leases. */
  readonly namespace: string;
}

/** Where things are on the machine. */
export interface MachinePlaces {
  readonly kubeconfig: string;
  readonly csiSocket: string;
  /** The socket of every driver by its name: where the kubelet finds them. */
  readonly plugins: ReadonlyMap<string, string>;
  readonly runtimeSocket: string;
  readonly kubeletDir: string;
  readonly mountinfoFile: string;
  readonly bootIdFile: string;
  /** Where the runtime shows its containers. */
  readonly cgroupDir: string;
  /** Where the kubelet answers whether it is well: `host:port`. */
  readonly healthzAddress: string;
  /** `host:port` of the machine's own cable to the array. */
  readonly arrayNbd: string;
  /** What the plugin is told to do wrong. */
  readonly faultsFile: string;
}

/** The arguments of Node for one of the machine's processes; undefined if it has none such. */
export function machineCommand(
  part: Part,
  machine: MachineFlags & MachinePlaces,
): readonly string[] | undefined {
  switch (part) {
    case 'runtime':
      return [
        standIn('runtime'),
        `--socket=${machine.runtimeSocket}`,
        `--cgroup-dir=${machine.cgroupDir}`,
        `--interval-ms=${machine.writeIntervalMs ?? 200}`,
      ];
    case 'plugin':
      return plugin(machine);
    case 'kubelet':
      return [
        standIn('kubelet'),
        `--node-name=${machine.name}`,
        // Kubernetes treats zones by how many of their nodes fail: beds on one cluster do not mix.
        `--zone=${machine.driverName}`,
        ...[...machine.plugins].map(([driver, socket]) => `--driver=${driver}=${socket}`),
        `--kubeconfig=${machine.kubeconfig}`,
        `--runtime-socket=${machine.runtimeSocket}`,
        `--kubelet-dir=${machine.kubeletDir}`,
        `--mountinfo-file=${machine.mountinfoFile}`,
        `--boot-id-file=${machine.bootIdFile}`,
        `--healthz-address=${machine.healthzAddress}`,
        ...(machine.kubeletFlags ?? []),
      ];
    case 'agent':
      return machine.bundle === undefined ? undefined : agent(machine.bundle, machine);
  }
}

function plugin(machine: MachineFlags & MachinePlaces): readonly string[] {
  const can = [...defaultNodeCapabilities, ...dialects[machine.dialect].node];
  return [
    standIn('driver'),
    '--mode=node',
    `--endpoint=unix:${machine.csiSocket}`,
    `--driver-name=${machine.driverName}`,
    `--node-id=${machine.name}`,
    `--array-nbd=${machine.arrayNbd}`,
    `--mountinfo-file=${machine.mountinfoFile}`,
    `--node-capabilities=${can.join(',')}`,
    `--faults-file=${machine.faultsFile}`,
  ];
}

function agent(bundle: string, machine: MachineFlags & MachinePlaces): readonly string[] {
  return [
    bundle,
    '--mode=node',
    `--node-name=${machine.name}`,
    `--namespace=${machine.namespace}`,
    `--driver-name=${machine.driverName}`,
    `--kubeconfig=${machine.kubeconfig}`,
    `--csi-address=${machine.csiSocket}`,
    `--kubelet-dir=${machine.kubeletDir}`,
    `--mountinfo-file=${machine.mountinfoFile}`,
    `--boot-id-file=${machine.bootIdFile}`,
    `--cgroup-dir=${machine.cgroupDir}`,
    `--kubelet-healthz-address=${machine.healthzAddress}`,
    ...(machine.agentFlags ?? []),
  ];
}
