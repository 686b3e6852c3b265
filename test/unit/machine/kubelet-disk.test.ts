import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseVolumeData } from '../../../src/node-mode/kubelet-volumes.ts';
import { slotOf } from '../../machine/kubelet.ts';
import { KubeletDisk } from '../../machine/kubelet-disk.ts';
import type { CsiVolume } from '../../model/csi-volumes.ts';
import type { Pod } from '../../model/objects.ts';

const volume: CsiVolume = {
  driver: 'block.csi.test',
  handle: 'vol-1',
  pv: 'pv-1',
  claim: 'data',
  uniqueName: 'kubernetes.io/csi/block.csi.test^vol-1',
  attachRequired: true,
  shared: false,
  onePod: false,
  readOnly: false,
};

let folder: string;
let disk: KubeletDisk;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'disk-'));
  disk = new KubeletDisk(join(folder, 'kubelet'), join(folder, 'mountinfo'));
  mounted();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function mounted(...paths: readonly string[]): void {
  const lines = paths.map((path, id) => `${id} 1 8:1 / ${path} rw shared:1 - ext4 x rw\n`);
  writeFileSync(join(folder, 'mountinfo'), lines.join(''));
}

function publish(podUid: string): string {
  disk.notePublished(volume, { podUid, nodeName: 'worker-a', attachment: 'csi-1' });
  return disk.targetPath(podUid, volume.pv);
}

describe('KubeletDisk', () => {
  it('writes beside the mount point what our agent reads as a volume of the driver', () => {
    const path = join(dirname(publish('pod-1')), 'vol_data.json');
    expect(parseVolumeData(readFileSync(path, 'utf8'), path)).toEqual({
      driverName: volume.driver,
      found: { handle: 'vol-1', pv: 'pv-1', path },
    });
  });

  it('believes the mount table, not the directories', () => {
    disk.noteStaged(volume);
    const target = publish('pod-1');
    expect(disk.state()).toEqual({ staged: [], published: [] });
    mounted(disk.stagingPath(volume), target);
    const state = disk.state();
    expect([state.staged.length, state.published.length]).toEqual([1, 1]);
    expect(state.published[0]).toMatchObject({ podUid: 'pod-1', handle: 'vol-1' });
  });

  it('sweeps what a power failure left of unknown pods, and nothing that is mounted or known', () => {
    const left = publish('pod-1');
    const known = publish('pod-2');
    const still = publish('pod-3');
    mkdirSync(left, { recursive: true });
    mounted(still);
    disk.sweep(new Set(['pod-2']));
    expect([left, known, still].map((target) => existsSync(dirname(target)))).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('slotOf', () => {
  function pod(name: string, ownerKind: string): Pod {
    return {
      metadata: {
        namespace: 'shop',
        name,
        labels: { app: 'mysql' },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: ownerKind, name: 'x', uid: 'u' }],
      },
      spec: {},
    } as unknown as Pod;
  }

  it('is one for a pod and its replacement, and one for each pod of a StatefulSet', () => {
    expect([
      slotOf(pod('mysql-7d9f-abcde', 'ReplicaSet')),
      slotOf(pod('mysql-7d9f-fghij', 'ReplicaSet')),
      slotOf(pod('web-0', 'StatefulSet')),
      slotOf(pod('web-1', 'StatefulSet')),
    ]).toEqual(['shop/mysql', 'shop/mysql', 'shop/web-0', 'shop/web-1']);
  });
});
