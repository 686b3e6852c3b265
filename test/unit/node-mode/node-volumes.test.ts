import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readNodeVolumes } from '../../../src/node-mode/machine.ts';

const driverName = 'block.example.com';
let kubeletDir: string;

beforeEach(() => {
  kubeletDir = mkdtempSync(join(tmpdir(), 'kubelet-'));
});

afterEach(() => rmSync(kubeletDir, { recursive: true }));

/** As the kubelet writes it. */
function file(folder: string, volumeHandle: string, specVolID: string, of = driverName): void {
  const path = join(kubeletDir, folder, 'vol_data.json');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ driverName: of, volumeHandle, specVolID }));
}

function device(pv: string, pod: string): void {
  const folder = join(kubeletDir, 'plugins/kubernetes.io/csi/volumeDevices/publish', pv);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, pod), '');
}

function read(dir = kubeletDir) {
  return readNodeVolumes({ kubeletDir: dir, driverName }, new AbortController().signal);
}

const published = (pod: string, pv: string) => `pods/${pod}/volumes/kubernetes.io~csi/${pv}`;

it('a volume is one, however many pods have it', async () => {
  file(`plugins/kubernetes.io/csi/${driverName}/0a1b`, 'vol-1', 'pv-1');
  file(published('p1', 'pv-1'), 'vol-1', 'pv-1');
  file(published('p2', 'pv-1'), 'vol-1', 'pv-1');
  file(published('p2', 'pv-9'), 'vol-9', 'pv-9', 'other.example.com');
  expect(await read()).toEqual([
    {
      handle: 'vol-1',
      pv: 'pv-1',
      block: false,
      publishPaths: ['p1', 'p2'].map((pod) => join(kubeletDir, published(pod, 'pv-1'), 'mount')),
      stagingPath: join(kubeletDir, `plugins/kubernetes.io/csi/${driverName}/0a1b/globalmount`),
    },
  ]);
});

it('a block volume stands where its device files are, one for each pod', async () => {
  file('plugins/kubernetes.io/csi/volumeDevices/pv-2/data', 'vol-2', 'pv-2');
  device('pv-2', 'p1');
  device('pv-2', 'p2');
  const devices = join(kubeletDir, 'plugins/kubernetes.io/csi/volumeDevices');
  expect(await read(`${kubeletDir}/`)).toEqual([
    {
      handle: 'vol-2',
      pv: 'pv-2',
      block: true,
      publishPaths: [join(devices, 'publish/pv-2/p1'), join(devices, 'publish/pv-2/p2')],
      stagingPath: join(devices, 'staging/pv-2'),
    },
  ]);
});

it('what is only staged is in no pod, and nothing to look after', async () => {
  file(`plugins/kubernetes.io/csi/${driverName}/0a1b`, 'vol-1', 'pv-1');
  file('plugins/kubernetes.io/csi/volumeDevices/pv-2/data', 'vol-2', 'pv-2');
  expect(await read()).toEqual([]);
});

it('volumes come in the order of their handles, staged or not', async () => {
  file(published('p1', 'pv-b'), 'vol-b', 'pv-b');
  file(published('p2', 'pv-a'), 'vol-a', 'pv-a');
  expect((await read()).map(({ handle, stagingPath }) => [handle, stagingPath])).toEqual([
    ['vol-a', ''],
    ['vol-b', ''],
  ]);
});
