/**
 * The executables of the test cluster: built from the Go modules beside this file, once per version
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

interface Source {
  /** The folder here that holds the Go module. */
  readonly module: 'csi' | 'k8s' | 'mock';
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

/** All of them, in the order in which they are built. */
export const binaryNames = Object.keys(sources) as readonly BinaryName[];

/** Two are never built at the same time: linking one of them takes gigabytes. */
export type Binaries = Readonly<Record<BinaryName, string>>;

/** The paths of all executables; rejects, naming those that are missing, where they cannot be had. */
export async function ensureBinaries(
  say: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<Binaries> {
  const obstacle = whyNoBinaries();
  if (obstacle !== undefined) throw new Error(obstacle);
  const toBuild = missing();
  for (const [index, name] of toBuild.entries()) {
    say(`building ${name} (${index + 1} of ${toBuild.length})`);
    const start = performance.now();
    await build(name);
    say(`built ${name} in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  return Object.fromEntries(binaryNames.map((name) => [name, found(name)])) as Binaries;
}

/** Why `ensureBinaries` would fail here, in one sentence; undefined if it would not. */
export function whyNoBinaries(): string | undefined {
  const names = missing();
  if (names.length === 0 || onPath('go') !== undefined) return undefined;
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const place =
    assets === undefined ? 'KUBEBUILDER_ASSETS is not set' : `they are not in ${assets}`;
  return `no ${names.join(', ')}: Go is not installed, and ${place}`;
}

function missing(): readonly BinaryName[] {
  return binaryNames.filter((name) => found(name) === undefined);
}

function found(name: BinaryName): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const ready = assets === undefined ? undefined : executable(join(assets, name));
  return ready ?? executable(join(cacheFolder(sources[name].module), name));
}

async function build(name: BinaryName): Promise<void> {
  const { module, package: target } = sources[name];
  const folder = cacheFolder(module);
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'building-'));
  try {
    const output = join(scratch, name);
    await go(moduleFolder(module), [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-buildvcs=false',
      `-ldflags=${linkerFlags(module)}`,
      `-o=${output}`,
      target,
    ]);
    // Under its own name only when it is complete, so that an interrupted build leaves nothing.
    renameSync(output, join(folder, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function go(cwd: string, args: readonly string[]): Promise<void> {
  const child = spawn('go', args, {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`go ${args.at(-1)} in ${cwd}: exit code ${code}`);
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
