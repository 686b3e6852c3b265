import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { leftOversOf, type Machine } from '../../../src/node-mode/clean.ts';

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');
const paths = { driverName: 'block.example.com', sha256Hex };
const dir = '/var/lib/kubelet';
const csi = `${dir}/plugins/kubernetes.io/csi`;
const fenced = [{ handle: 'vol-1', pv: 'pv-1' }];
const hash = sha256Hex('vol-1');

function machine(points: readonly string[], rest: Partial<Machine> = {}): Machine {
  return {
    mounts: points.map((mountPoint) => ({ mountPoint, receives: true })),
    volumes: [],
    kubeletDirs: [dir],
    ...rest,
  };
}

function left(points: readonly string[], rest: Partial<Machine> = {}): readonly string[] {
  return leftOversOf(fenced, machine(points, rest), paths).map(({ path }) => path);
}

const mine: readonly [name: string, path: string][] = [
  ['the staging directory', `${csi}/block.example.com/${hash}/globalmount`],
  [
    'one level deeper in it, as ceph-csi mounts',
    `${csi}/block.example.com/${hash}/globalmount/vol-1`,
  ],
  ['the staging directory before 1.24', `${csi}/pv/pv-1/globalmount`],
  ['a pod', `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`],
  ['below the mount of a pod', `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount/data`],
  ['a sub-path of a container', `${dir}/pods/0a-1b/volume-subpaths/pv-1/db/0`],
  ['the staging of a block volume', `${csi}/volumeDevices/staging/pv-1`],
  ['a block volume of a pod', `${csi}/volumeDevices/publish/pv-1/0a-1b`],
  ['the device map of a block volume', `${csi}/volumeDevices/pv-1/dev/0a-1b`],
  ['the device of a pod', `${dir}/pods/0a-1b/volumeDevices/kubernetes.io~csi/pv-1`],
  ['a mount point that was removed', `${csi}/block.example.com/${hash}/globalmount//deleted`],
];

const notMine: readonly [name: string, path: string][] = [
  ['a volume whose hash begins alike', `${csi}/block.example.com/${hash}0/globalmount`],
  ['the staging of another driver', `${csi}/file.example.com/${hash}/globalmount`],
  ['a volume whose name begins alike', `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-10/mount`],
  ['another kind of volume of that name', `${dir}/pods/0a-1b/volumes/kubernetes.io~nfs/pv-1`],
  ['a block volume whose name begins alike', `${csi}/volumeDevices/staging/pv-10`],
  ['a directory beside the kubelet', `${dir}x/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`],
  ['a directory whose name goes on', `${dir}-pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`],
  ['another kubelet', '/other/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount'],
  ['the kubelet directory itself', dir],
  ['the root', '/'],
];

describe('left-overs of fenced volumes', () => {
  it.each(mine)('a mount at %s is one', (_, path) => {
    expect(left(['/', path])).toEqual([path]);
  });

  it.each(notMine)('a mount at %s is none', (_, path) => {
    expect(left([path])).toEqual([]);
  });

  it('finds mounts below the resolved directory when the configured one is a symbolic link', () => {
    const path = `/data/kubelet/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`;
    expect(left([path], { kubeletDirs: [dir, '/data/kubelet'] })).toEqual([path]);
  });

  it('takes the name of the volume from the kubelet when the record has none', () => {
    const path = `${dir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`;
    const volumes = [{ handle: 'vol-1', pv: 'pv-1', path: '' }];
    const nameless = [{ handle: 'vol-1', pv: '' }];
    expect(leftOversOf(nameless, machine([path]), paths)).toEqual([]);
    expect(leftOversOf(nameless, machine([path], { volumes }), paths)).toHaveLength(1);
  });

  it('does not take an empty name for every path', () => {
    const nameless = [{ handle: 'vol-1', pv: '' }];
    const points = [
      `${dir}/pods/0a/volumes/kubernetes.io~csi`,
      `${csi}/pv`,
      `${csi}/volumeDevices`,
    ];
    expect(leftOversOf(nameless, machine(points), paths)).toEqual([]);
  });

  it('a file that the kubelet left behind is none', () => {
    const volumes = [{ handle: 'vol-1', pv: 'pv-1', path: `${csi}/x/vol_data.json` }];
    expect(left(['/'], { volumes })).toEqual([]);
  });

  it('a record without volumes stands for all of the driver', () => {
    const staged = `${csi}/block.example.com/${sha256Hex('other')}/globalmount`;
    const published = `${dir}/pods/0a/volumes/kubernetes.io~csi/pv-9/mount`;
    const foreign = `${csi}/file.example.com/${hash}/globalmount`;
    const volumes = [{ handle: 'other', pv: 'pv-9', path: '' }];
    const found = leftOversOf([], machine([staged, published, foreign], { volumes }), paths);
    expect(found.map(({ path }) => path)).toEqual([staged, published]);
  });

  it.each([
    ['without propagation is a blind spot', false, ['blind']],
    ['with propagation shows what is mounted', true, []],
  ])('a kubelet directory that is mounted here %s', (_, receives, kinds) => {
    const mounts = [{ mountPoint: dir, receives }];
    const found = leftOversOf(fenced, machine([], { mounts }), paths);
    expect(found.map(({ kind }) => kind)).toEqual(kinds);
  });

  it('is found among any other mounts, in any order', () => {
    const other = fc.constantFrom(...notMine.map(([, path]) => path));
    const one = fc.constantFrom(...mine.map(([, path]) => path));
    fc.assert(
      fc.property(fc.array(other), fc.array(other), one, (before, after, path) => {
        expect(left([...before, path, ...after])).toEqual([path]);
      }),
    );
  });
});
