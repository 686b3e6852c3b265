/** What stands on a machine's disk before its kubelet starts for the first time. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { NodeAddresses } from './network.ts';

export interface NodeFiles {
  readonly name: string;
  readonly machineId: string;
  readonly addresses: NodeAddresses;
  /** PEM of the authority that signs clients' certificates. */
  readonly ca: string;
  readonly runc: string;
  /** What a sandbox is made of. */
  readonly pauseImage: string;
  /** Of the kubelet's configuration what is not as usual. */
  readonly kubeletConfig: object;
}

/** What the kubelet would otherwise write into the kernel, which all machines share. */
const sysctls = {
  'vm/overcommit_memory': 1,
  'vm/panic_on_oom': 0,
  'kernel/panic': 10,
  'kernel/panic_on_oops': 1,
  'kernel/keys/root_maxkeys': 1_000_000,
  'kernel/keys/root_maxbytes': 25_000_000,
};

/** The folder in which the kubelet looks for pods that nobody else knows of. */
export const staticPods = '/etc/kubernetes/manifests';

/** Below `disk/etc`, which lies over the computer's /etc. */
export function writeDisk(disk: string, files: NodeFiles): void {
  const etc = join(disk, 'etc');
  write(join(etc, 'machine-id'), `${files.machineId}\n`);
  write(join(etc, 'hostname'), `${files.name}\n`);
  write(join(etc, 'kubernetes/ca.crt'), files.ca);
  write(join(etc, 'kubernetes/kubelet.json'), json({ ...kubeletConfig(), ...files.kubeletConfig }));
  mkdirSync(join(disk, staticPods), { recursive: true });
  write(join(etc, 'containerd/config.toml'), containerdConfig(files));
  write(join(etc, 'cni/net.d/10-bridge.conflist'), json(networkConfig(files.addresses)));
}

/** What is new in every life of the machine. */
export function writeMemory(memory: string, bootId: string): void {
  write(join(memory, 'boot_id'), `${bootId}\n`);
  for (const [path, value] of Object.entries(sysctls)) {
    write(join(memory, 'sysctl', path), `${value}\n`);
  }
}

/** As a stock installation has it, but for what the computer below cannot give. */
function kubeletConfig(): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
    },
    authorization: { mode: 'AlwaysAllow' },
    staticPodPath: staticPods,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    makeIPTablesUtilChains: false,
    localStorageCapacityIsolation: false,
    resolvConf: '',
    // The computer's disk is not the machines' business.
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    // Nobody could pull them again.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  };
}

function containerdConfig({ pauseImage, runc }: NodeFiles): string {
  return `version = 3
disabled_plugins = ['io.containerd.snapshotter.v1.blockfile', 'io.containerd.tracing.processor.v1.otlp']
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  # CAP_SYS_RESOURCE may be missing.
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '/etc/cni/net.d'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '${runc}'
  SystemdCgroup = false
`;
}

function networkConfig({ podRange }: NodeAddresses): object {
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: podRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
          dataDir: '/run/cni',
        },
      },
    ],
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
