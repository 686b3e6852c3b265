import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  parseVolumeData,
  readKubeletVolumes,
  resolveKubeletDir,
} from '../../../src/node-mode/kubelet-volumes.ts';

const driverName = 'block.example.com';
let kubeletDir: string;

beforeEach(async () => {
  kubeletDir = await mkdtemp(join(tmpdir(), 'kubelet-'));
});
afterEach(() => rm(kubeletDir, { recursive: true }));

async function put(path: string, content: unknown): Promise<void> {
  const file = join(kubeletDir, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
}

function data(handle: string, pv: string, driver = driverName): object {
  return {
    attachmentID: 'csi-0123',
    driverName: driver,
    nodeName: 'node-a',
    specVolID: pv,
    volumeHandle: handle,
  };
}

async function found(): Promise<readonly string[]> {
  const volumes = await readKubeletVolumes({ kubeletDir, driverName });
  return volumes.map(({ handle, pv }) => `${handle} ${pv}`).sort();
}

const published = (uid: string, pv: string): string =>
  `pods/${uid}/volumes/kubernetes.io~csi/${pv}/vol_data.json`;

describe('the volumes that the kubelet names', () => {
  it('are those that are published, staged, or block devices', async () => {
    await put(published('uid-1', 'pv-1'), data('vol-1', 'pv-1'));
    await put(`plugins/kubernetes.io/csi/${driverName}/0a1b/vol_data.json`, data('vol-2', 'pv-2'));
    await put(
      'plugins/kubernetes.io/csi/volumeDevices/pv-3/data/vol_data.json',
      data('vol-3', 'pv-3'),
    );
    expect(await found()).toEqual(['vol-1 pv-1', 'vol-2 pv-2', 'vol-3 pv-3']);
  });

  it('are none of other drivers, and none of other kinds of volume', async () => {
    await put(published('uid-1', 'pv-1'), data('vol-1', 'pv-1', 'file.example.com'));
    await put('pods/uid-1/volumes/kubernetes.io~nfs/pv-2/vol_data.json', data('vol-2', 'pv-2'));
    expect(await found()).toEqual([]);
  });

  it('are none where there are no pods yet', async () => {
    expect(await found()).toEqual([]);
  });

  it('survive files that a crash left empty or half written', async () => {
    await put(published('uid-1', 'pv-1'), '');
    await put(published('uid-2', 'pv-2'), '{"driverName":"block.exa');
    await put(published('uid-3', 'pv-3'), [null]);
    await put('pods/uid-4/volumes/kubernetes.io~csi', 'a file in place of a directory');
    await put(published('uid-5', 'pv-5'), data('vol-5', 'pv-5'));
    expect(await found()).toEqual(['vol-5 pv-5']);
  });

  it('are read without following a link and without waiting for a pipe', async () => {
    await put('elsewhere.json', data('vol-1', 'pv-1'));
    await put(published('uid-1', 'pv-1'), '');
    await rm(join(kubeletDir, published('uid-1', 'pv-1')));
    await symlink(join(kubeletDir, 'elsewhere.json'), join(kubeletDir, published('uid-1', 'pv-1')));
    await put(published('uid-2', 'pv-2'), '');
    await rm(join(kubeletDir, published('uid-2', 'pv-2')));
    execFileSync('mkfifo', [join(kubeletDir, published('uid-2', 'pv-2'))]);
    expect(await found()).toEqual([]);
  });

  it('are unknown where one of the files cannot be read', async () => {
    await put(published('uid-1', 'pv-1'), data('vol-1', 'pv-1'));
    await mkdir(join(kubeletDir, published('uid-2', 'pv-2')), { recursive: true });
    await expect(found()).rejects.toThrow(/EISDIR/);
  });

  it('are not read on when nobody waits any more', async () => {
    const signal = AbortSignal.abort();
    await expect(readKubeletVolumes({ kubeletDir, driverName, signal })).rejects.toThrow(/abort/);
  });
});

describe('vol_data.json', () => {
  it('never makes the reader fail, whatever it holds', () => {
    const text = fc.oneof(fc.string(), fc.json());
    fc.assert(
      fc.property(text, (json) => {
        const volume = parseVolumeData(json, '/x');
        expect(volume === undefined || volume.found.handle !== '').toBe(true);
      }),
    );
  });

  it('names a volume even if it lacks the name of the PersistentVolume', () => {
    const { found: volume } = parseVolumeData('{"driverName":"d","volumeHandle":"v"}', '/x') ?? {};
    expect(volume).toEqual({ handle: 'v', pv: '', path: '/x' });
  });
});

describe('the kubelet directory', () => {
  it('is known as configured and as the mount table shows it', async () => {
    const link = join(kubeletDir, 'link');
    await mkdir(join(kubeletDir, 'real'));
    await symlink(join(kubeletDir, 'real'), link);
    expect(await resolveKubeletDir(`${link}/`)).toEqual([link, join(kubeletDir, 'real')]);
    expect(await resolveKubeletDir(join(kubeletDir, 'real'))).toEqual([join(kubeletDir, 'real')]);
  });

  it('is unknown if it is not there', async () => {
    await expect(resolveKubeletDir(join(kubeletDir, 'none'))).rejects.toThrow(/ENOENT/);
  });
});
