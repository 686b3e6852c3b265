import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readRunningPods } from '../../../src/node-mode/containers.ts';

const uid = '4d1f0a3c-7c1e-4f62-9a53-0c1d2e3f4a5b';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function group(path: string): void {
  mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, path, 'cgroup.procs'), '');
}

async function running(): Promise<readonly string[]> {
  return [...(await readRunningPods(root))].sort();
}

it.each([
  ['cgroupfs', `kubepods/burstable/pod${uid}/0b1c`],
  ['cgroupfs, guaranteed', `kubepods/pod${uid}/0b1c`],
  ['one hierarchy of version 1', `memory/kubepods/besteffort/pod${uid}/0b1c`],
  ['below --cgroup-root', `kubelet/kubepods/besteffort/pod${uid}/0b1c`],
  [
    'systemd',
    `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-0b1c.scope`,
  ],
  [
    'systemd, guaranteed',
    `kubepods.slice/kubepods-pod${uid.replaceAll('-', '_')}.slice/crio-0b1c.scope`,
  ],
])('finds the pod of a container: %s', async (_, path) => {
  group(path);
  expect(await running()).toEqual([uid]);
});

it('does not find a pod that has no container any more, whose volumes keep its group', async () => {
  group('kubepods/burstable/podown/0b1c');
  group(`kubepods/burstable/pod${uid}`);
  expect(await running()).toEqual(['own']);
});

it('finds a pod that has a container in one hierarchy only', async () => {
  group(`memory/kubepods/pod${uid}`);
  group(`pids/kubepods/pod${uid}/0b1c`);
  expect(await running()).toEqual([uid]);
});

it('rejects a tree that shows no container: it is not that of the node', async () => {
  group('kubepods/burstable');
  await expect(running()).rejects.toThrow('not even our own');
});

it('rejects a tree that is not there, or that it may not read', async () => {
  await expect(readRunningPods(join(root, 'absent'))).rejects.toThrow('shows no container');
  group('kubepods/podown/0b1c');
  writeFileSync(join(root, 'file'), '');
  await expect(readRunningPods(join(root, 'file'))).rejects.toThrow('ENOTDIR');
  chmodSync(join(root, 'kubepods'), 0o000);
  if (process.getuid?.() !== 0) await expect(running()).rejects.toThrow('EACCES');
});
