/** What real machines need of the computer that they run on. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { whyNoBinaries, whyNoNodeBinaries } from '../cluster/binaries.ts';

/** Files of Debian packages that are installed where they are missing. */
const packages: Readonly<Record<string, string>> = {
  '/usr/bin/nbdfuse': 'libnbd-bin',
  '/usr/bin/fusermount3': 'fuse3',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/sbin/runc': 'runc',
  '/bin/busybox': 'busybox-static',
  '/sbin/ip': 'iproute2',
  '/sbin/mkfs.ext4': 'e2fsprogs',
  '/usr/bin/unshare': 'util-linux',
  '/usr/bin/curl': 'curl',
  '/usr/bin/pgrep': 'procps',
};

/** Bits of CapEff, linux/capability.h. */
const capabilities = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 };

/** Version 1 hierarchies that a kubelet cannot do without. */
const controllers = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'pids'];

/** Why no real machine can run here, in one line; undefined if nothing is in the way. */
export function whyNoRealMachines(): string | undefined {
  const missing = [
    ...(process.platform === 'linux' ? [] : ['Linux']),
    ...(process.getuid?.() === 0 ? [] : ['root']),
    ...missingCapabilities(),
    ...missingOfKernel(),
    ...missingPackages().filter(() => !existsSync('/usr/bin/apt-get')),
  ];
  if (missing.length > 0) return `missing here: ${missing.join(', ')}`;
  return whyNoBinaries() ?? whyNoNodeBinaries();
}

/** Debian's names of what is not installed. */
export function missingPackages(): readonly string[] {
  return Object.entries(packages)
    .filter(([file]) => !existsSync(file))
    .map(([, name]) => name);
}

/** Rejects what apt-get complains about. */
export function installPackages(): void {
  const names = missingPackages();
  if (names.length === 0) return;
  console.log(`installing ${names.join(', ')}`);
  apt('update', '-qq');
  apt('install', '-qq', '--yes', '--no-install-recommends', ...names);
}

function apt(...args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')}: ${stdout}${stderr}`);
}

function missingCapabilities(): readonly string[] {
  const [, hex = '0'] = /^CapEff:\s*(\w+)/m.exec(read('/proc/self/status')) ?? [];
  const effective = BigInt(`0x${hex}`);
  return Object.entries(capabilities)
    .filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([name]) => name);
}

function missingOfKernel(): readonly string[] {
  const systems = read('/proc/filesystems');
  const hierarchies = read('/proc/self/cgroup')
    .split('\n')
    .flatMap((line) => line.split(':')[1]?.split(',') ?? []);
  const absent = controllers.filter((name) => !hierarchies.includes(name));
  return [
    ...['overlay', 'fuse', 'ext4'].filter((name) => !new RegExp(`\\b${name}$`, 'm').test(systems)),
    ...['/dev/fuse', '/dev/loop-control'].filter((file) => !existsSync(file)),
    ...(absent.length === 0 ? [] : [`cgroup version 1 of ${absent.join(' ')}`]),
  ];
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
