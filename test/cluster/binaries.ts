/**
 * The executables of the test cluster and of its real nodes: built from the Go modules beside this file, once per version
 * of their go.mod and go.sum, into a cache outside the tree. `KUBEBUILDER_ASSETS`, the convention of
 * controller-runtime's envtest, names a folder whose executables are used instead.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export type BinaryName =
  | 'csi-attacher'
  | 'csi-sanity'
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubectl'
  | 'mock-driver';

/** What a real node runs; runc is Debian's, because seccomp needs cgo. */
export type NodeBinaryName = 'containerd' | 'containerd-shim-runc-v2' | 'ctr' | 'kubelet';

type AnyName = BinaryName | NodeBinaryName;

interface Source {
  /** The folder here that holds the Go module. */
  readonly module: 'containerd' | 'csi' | 'k8s' | 'mock';
  readonly package: string;
}

const sources: Readonly<Record<BinaryName, Source>> = {
  etcd: { module: 'k8s', package: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': { module: 'k8s', package: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'kube-controller-manager': {
    module: 'k8s',
    package: 'k8s.io/kubernetes/cmd/kube-controller-manager',
  },
  'kube-scheduler': { module: 'k8s', package: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  kubectl: { module: 'k8s', package: 'k8s.io/kubernetes/cmd/kubectl' },
  'csi-attacher': {
    module: 'csi',
    package: 'github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher',
  },
  'csi-sanity': {
    module: 'csi',
    package: 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity',
  },
  'mock-driver': {
    module: 'mock',
    package: 'github.com/kubernetes-csi/csi-test/v4/cmd/mock-driver',
  },
};

const containerd = 'github.com/containerd/containerd/v2/cmd';

const nodeSources: Readonly<Record<NodeBinaryName, Source>> = {
  kubelet: { module: 'k8s', package: 'k8s.io/kubernetes/cmd/kubelet' },
  containerd: { module: 'containerd', package: `${containerd}/containerd` },
  'containerd-shim-runc-v2': {
    module: 'containerd',
    package: `${containerd}/containerd-shim-runc-v2`,
  },
  ctr: { module: 'containerd', package: `${containerd}/ctr` },
};

const clusterNames = Object.keys(sources) as readonly BinaryName[];
const nodeNames = Object.keys(nodeSources) as readonly NodeBinaryName[];

export type Binaries = Readonly<Record<BinaryName, string>>;
export type NodeBinaries = Readonly<Record<NodeBinaryName, string>>;

type Say = (line: string) => void;

/** The paths of all executables; rejects, naming those that are missing, where they cannot be had. */
export async function ensureBinaries(say?: Say): Promise<Binaries> {
  return await ensure(clusterNames, say);
}

export async function ensureNodeBinaries(say?: Say): Promise<NodeBinaries> {
  return await ensure(nodeNames, say);
}

async function ensure<N extends AnyName>(
  names: readonly N[],
  say: Say = (line) => process.stderr.write(`${line}\n`),
): Promise<Readonly<Record<N, string>>> {
  const obstacle = obstacleTo(names);
  if (obstacle !== undefined) throw new Error(obstacle);
  for (const [module, some] of Map.groupBy(missing(names), (name) => sourceOf(name).module)) {
    say(`building ${some.join(', ')}`);
    const start = performance.now();
    await build(module, some);
    say(`built ${some.join(', ')} in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  return Object.fromEntries(names.map((name) => [name, found(name)])) as Record<N, string>;
}

/** Why `ensureBinaries` would fail here, in one sentence; undefined if it would not. */
export function whyNoBinaries(): string | undefined {
  return obstacleTo(clusterNames);
}

export function whyNoNodeBinaries(): string | undefined {
  return obstacleTo(nodeNames);
}

function obstacleTo(all: readonly AnyName[]): string | undefined {
  const names = missing(all);
  if (names.length === 0 || onPath('go') !== undefined) return undefined;
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const place =
    assets === undefined ? 'KUBEBUILDER_ASSETS is not set' : `they are not in ${assets}`;
  return `no ${names.join(', ')}: Go is not installed, and ${place}`;
}

function missing(names: readonly AnyName[]): readonly AnyName[] {
  return names.filter((name) => found(name) === undefined);
}

function sourceOf(name: AnyName): Source {
  return { ...sources, ...nodeSources }[name];
}

function found(name: AnyName): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const ready = assets === undefined ? undefined : executable(join(assets, name));
  return ready ?? executable(join(cacheFolder(sourceOf(name).module), name));
}

/**
 * Those of one module in one call, which loads its packages once. All modules with the same flags,
 * so that what they share is compiled once.
 */
async function build(module: Source['module'], names: readonly AnyName[]): Promise<void> {
  const folder = cacheFolder(module);
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'building-'));
  try {
    await go(moduleFolder(module), [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-buildvcs=false',
      // What the linker leaves out (-s -w) is an eighth of the compiler's work.
      '-gcflags=all=-dwarf=false',
      ...buildTags(module),
      `-ldflags=${linkerFlags(module)}`,
      `-o=${scratch}/`,
      ...names.map((name) => sourceOf(name).package),
    ]);
    // Under their own names only when they are complete, so that an interrupted build leaves nothing.
    for (const name of names) {
      renameSync(join(scratch, builtName(sourceOf(name).package)), join(folder, name));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** How Go calls the executable of a package: its last element that is not a version. */
function builtName(path: string): string {
  return (
    path
      .replace(/\/v\d+$/, '')
      .split('/')
      .at(-1) ?? path
  );
}

/** Compilers end before it would pay to collect their garbage; linkers have almost two gigabytes. */
const frugal = { GOGC: 'off', GOMEMLIMIT: '1GiB' } as const;

async function go(cwd: string, args: readonly string[]): Promise<void> {
  const child = spawn('go', args, {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...frugal, CGO_ENABLED: '0', GOWORK: 'off' },
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`go ${args.at(-1)} in ${cwd}: exit code ${code}`);
}

/** Of containerd's snapshotters one is enough; the others want headers of C. */
function buildTags(module: Source['module']): readonly string[] {
  return module === 'containerd' ? ['-tags=no_btrfs,no_devmapper,no_zfs'] : [];
}

/**
 * Without its version in the link a component of Kubernetes takes itself for v0.0.0-master
 * (component-base/version/base.go), and says so in `kubectl version` and in its User-Agent.
 */
function linkerFlags(module: Source['module']): string {
  if (module !== 'k8s') return '-s -w';
  const version = /^\s*k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\S+)/m.exec(goMod(module));
  const [, full, major, minor] = version ?? [];
  const base = 'k8s.io/component-base/version';
  return `-s -w -X ${base}.gitVersion=${full} -X ${base}.gitMajor=${major} -X ${base}.gitMinor=${minor}`;
}

/** One per version of the module, so that a change of one leaves the others as they are. */
function cacheFolder(module: Source['module']): string {
  const hash = createHash('sha256').update(goMod(module)).update(linkerFlags(module));
  hash.update(readFileSync(join(moduleFolder(module), 'go.sum')));
  const root = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const version = `${module}-${hash.digest('hex').slice(0, 16)}`;
  return join(root, 'csi-failover', 'cluster', version);
}

function goMod(module: Source['module']): string {
  return readFileSync(join(moduleFolder(module), 'go.mod'), 'utf8');
}

function moduleFolder(module: Source['module']): string {
  return fileURLToPath(new URL(module, import.meta.url));
}

function onPath(command: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => executable(join(folder, command)))
    .find((path) => path !== undefined);
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}
