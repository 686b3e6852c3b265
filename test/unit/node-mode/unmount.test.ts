import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Machine } from '../../../src/node-mode/clean.ts';
import { cleaningOf, runningLeft } from '../../../src/node-mode/unmount.ts';
import { decodeFenceRecord, type FenceRecord } from '../../../src/shared/record.ts';
import { fenceText, kubeletDir as dir } from './bench.ts';

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');
const paths = { driverName: 'block.example.com', sha256Hex };
const csi = `${dir}/plugins/kubernetes.io/csi`;

const published = `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`;
const ofOther = `${dir}/pods/9z-9z/volumes/kubernetes.io~csi/pv-1/mount`;
const staged = `${csi}/block.example.com/${sha256Hex('vol-1')}/globalmount`;
const unpublish = { step: 'unpublish', handle: 'vol-1', path: published };
const unstage = { step: 'unstage', handle: 'vol-1', path: staged };

function record(rest: Partial<FenceRecord> = {}): FenceRecord {
  const decoded = decodeFenceRecord(fenceText({ pods: ['0a-1b'], ...rest }));
  if (decoded === undefined) throw new Error('no record');
  return decoded;
}

function machine(points: readonly string[], rest: Partial<Machine> = {}): Machine {
  return {
    mounts: points.map((mountPoint) => ({ mountPoint, receives: true })),
    volumes: [],
    kubeletDirs: [dir],
    // The agent's own pod.
    running: new Set(['own']),
    ...rest,
  };
}

function unmounts(points: readonly string[], of: FenceRecord = record(), more = {}) {
  return cleaningOf(of, machine(points, more), paths).unmounts;
}

function because(points: readonly string[], of: FenceRecord = record(), more = {}) {
  const { unmounts: some, kept } = cleaningOf(of, machine(points, more), paths);
  expect(some).toEqual([]);
  expect(kept.map(({ path }) => path)).toEqual(points);
  return kept[0]?.because;
}

describe('what the agent unmounts itself', () => {
  it('is the volume of a pod that is gone, and then the staged one', () => {
    expect(unmounts([staged, published])).toEqual([unpublish]);
    expect(unmounts([staged])).toEqual([unstage]);
    expect(unmounts([])).toEqual([]);
  });

  it('is named by the path that the kubelet gave, though the driver mounted one level deeper', () => {
    expect(unmounts([`${published}/vol-1`])).toEqual([unpublish]);
    expect(unmounts([`${staged}/vol-1`])).toEqual([unstage]);
  });

  it('is named by the path that is configured, where the kernel knows another', () => {
    const kubeletDirs = [dir, '/data/kubelet'];
    expect(unmounts([published.replace(dir, '/data/kubelet')], record(), { kubeletDirs })).toEqual([
      unpublish,
    ]);
  });

  it('is nothing that the fence record does not name', () => {
    const other = `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-2/mount`;
    expect(unmounts([other, published])).toEqual([unpublish]);
    expect(unmounts([published], record({ volumes: [] }))).toEqual([]);
  });

  it.each(['Intent', 'Fenced', 'Released'] as const)('is nothing in phase %s', (phase) => {
    expect(unmounts([staged, published], record({ phase }))).toEqual([]);
  });
});

describe('what the agent leaves mounted, and why:', () => {
  it('a volume of a pod that the API may still know, and what it is staged for', () => {
    expect(because([published], record({ pods: ['other'] }))).toContain('may still be there');
    expect(because([ofOther, staged])).toContain('may still be there');
  });

  it('the volume of two pods, of which one may still be there', () => {
    expect(because([published, ofOther, staged])).toContain('may still be there');
  });

  it('a volume of which nobody knows whose it was', () => {
    expect(because([staged], record({ pods: [] }))).toContain('names no pod');
  });

  it('a volume of a pod of which a container runs', () => {
    const running = new Set(['own', '0a-1b']);
    expect(because([published], record(), { running })).toContain('0a-1b still runs');
    expect(because([staged], record(), { running })).toContain('0a-1b still runs');
  });

  it('everything, where nobody can tell which containers run', () => {
    expect(because([published], record(), { running: undefined })).toContain('--cgroup-dir');
  });

  it.each([
    ['a sub-path', `${dir}/pods/0a-1b/volume-subpaths/pv-1/db/0`],
    ['a block device', `${csi}/volumeDevices/publish/pv-1/0a-1b`],
    ['what was staged before 1.24', `${csi}/pv/pv-1/globalmount`],
  ])('a volume with %s', (_, path) => {
    expect(because([path])).toContain('only the kubelet');
    expect(because([published, path])).toContain('only the kubelet');
  });

  it('everything, where mounts cannot be seen', () => {
    const mounts = [
      { mountPoint: dir, receives: false },
      { mountPoint: published, receives: true },
    ];
    expect(unmounts([], record(), { mounts })).toEqual([]);
  });
});

describe('a container of a pod that is gone', () => {
  it('is left over, though nothing shows in the mount table', () => {
    const seen = machine([], { running: new Set(['own', '0a-1b']) });
    expect(runningLeft(record(), seen).map(({ reason }) => reason)).toEqual([
      'a container of pod 0a-1b, which is gone, still runs',
    ]);
  });

  it('is none of another pod, and none where nobody can tell', () => {
    expect(runningLeft(record(), machine([]))).toEqual([]);
    expect(runningLeft(record(), machine([], { running: undefined }))).toEqual([]);
  });
});
