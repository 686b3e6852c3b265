import { describe, expect, it } from '@jest/globals';
import { parseMountinfo } from '../../../src/node-mode/mounts.ts';
import {
  accessTimesOf,
  healthOfAnswer,
  type LookAnswer,
  mountTrouble,
  type Past,
} from '../../../src/node-mode/own-looks.ts';

/** A line of the mount table with these options, of the mount and of the super block. */
function mount(options: string, superOptions: string, type = 'ext4') {
  const line = `7 1 8:16 / /k/mount ${options} shared:1 - ${type} /dev/sdb ${superOptions}\n`;
  const [entry] = parseMountinfo(line);
  if (entry === undefined) throw new Error('no mount');
  return entry;
}

const past: Past = { mountId: '7', wasWritable: true, hadDevice: true };

describe('the mount table shows trouble', () => {
  it.each<readonly [string, string, string, string, Past | undefined]>([
    [
      'emergency_ro (Linux 6.18)',
      'rw,relatime',
      'rw,errors=remount-ro,emergency_ro',
      'ext4',
      undefined,
    ],
    ['shutdown', 'rw', 'rw,shutdown', 'ext4', undefined],
    ['a file system that turned read-only by itself', 'rw', 'ro', 'ext4', undefined],
    ['a mount that was writable', 'ro', 'ro', 'ext4', past],
    ['only the mount, which was writable', 'ro', 'rw', 'xfs', past],
    ['any file system that was writable', 'rw', 'ro', 'cephfs', past],
  ])('%s', (_, options, superOptions, type, earlier) => {
    expect(mountTrouble(mount(options, superOptions, type), earlier)).toMatchObject({
      status: 'Inaccessible',
      reason: 'ReadOnly',
    });
  });

  it.each<readonly [string, string, string, string, Past | undefined]>([
    ['a writable one', 'rw,relatime', 'rw', 'ext4', undefined],
    ['one that was writable and is', 'rw', 'rw,errors=remount-ro', 'ext4', past],
    ['one that a pod wants read-only', 'ro,relatime', 'rw', 'ext4', undefined],
    ['one that was mounted read-only', 'ro', 'ro', 'ext4', undefined],
    ['one that is read-only by birth', 'rw', 'ro', 'squashfs', undefined],
    ['another mount at the same place', 'ro', 'ro', 'ext4', { ...past, mountId: '6' }],
    ['one that never was writable', 'ro', 'ro', 'ext4', { ...past, wasWritable: false }],
  ])('but not %s', (_, options, superOptions, type, earlier) => {
    expect(mountTrouble(mount(options, superOptions, type), earlier)).toBeUndefined();
  });
});

describe('an answer of the helper', () => {
  const read = (answer: LookAnswer, earlier?: Past) => {
    const { status, reason } = healthOfAnswer('/k/mount', answer, earlier);
    return `${status} ${reason}`.trim();
  };

  it.each<readonly [string, number, string]>([
    ['EIO', 5, 'Inaccessible EIO'],
    ['ENOTCONN, a dead endpoint', 107, 'Inaccessible ENOTCONN'],
    ['ESTALE', 116, 'Inaccessible ESTALE'],
    ['EROFS', 30, 'Inaccessible EROFS'],
    ['EUCLEAN, for which Node has no name', 117, 'Inaccessible EUCLEAN'],
    ['ENOENT', 2, 'Unknown NotSeen'],
    ['EACCES', 13, 'Unknown NotSeen'],
    ['EMFILE, our own', 24, 'Unknown NotSeen'],
    ['a number that nobody knows', 9999, 'Unknown NotSeen'],
  ])('with %s', (_, errno, expected) => {
    expect(read({ failure: { call: 'statfs', errno }, device: 'unknown' })).toBe(expected);
  });

  it.each<readonly [LookAnswer['device'], Past | undefined, string]>([
    ['ok', undefined, 'Healthy'],
    ['unknown', undefined, 'Healthy'],
    ['offline', undefined, 'Inaccessible DeviceOffline'],
    ['absent', past, 'Inaccessible DeviceGone'],
    ['empty', past, 'Inaccessible DeviceGone'],
    ['absent', undefined, 'Healthy'],
    ['empty', { ...past, hadDevice: false }, 'Healthy'],
  ])('of a device that is %s', (device, earlier, expected) => {
    expect(read({ device }, earlier)).toBe(expected);
  });
});

it.each<readonly [string, string, string]>([
  ['rw,relatime', 'rw', 'relative'],
  ['rw', 'rw', 'always'],
  ['rw,noatime', 'rw', 'never'],
  ['rw,nodiratime,relatime', 'rw', 'never'],
  ['ro,relatime', 'rw', 'never'],
  ['rw,relatime', 'ro', 'never'],
])('reading below a mount with %s beside %s is noted there: %s', (options, superOptions, noted) => {
  expect(accessTimesOf(mount(options, superOptions))).toBe(noted);
});
