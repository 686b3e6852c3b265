import { describe, expect, it } from '@jest/globals';
import { readHealth } from '../../../src/controller-mode/driver-dialect.ts';
import { isVouchedFor, storageWord } from '../../../src/controller-mode/storage-view.ts';
import type { HealthStatus } from '../../../src/shared/health.ts';
import { StorageWorld, word } from './storage-world.ts';

/** Volumes v0 ... v9 are bound, and nobody has asked for them yet. */
function bound(health: 'list' | 'get' | 'none' = 'get'): StorageWorld {
  const world = StorageWorld.stored(health);
  for (let i = 0; i < 10; i += 1) world.volume(`v${i}`);
  return world;
}

function all(status: HealthStatus, change: Record<string, HealthStatus> = {}) {
  const names = Array.from({ length: 10 }, (_, i) => `v${i}`);
  return { ...Object.fromEntries(names.map((name) => [name, status])), ...change };
}

function wordOf(world: StorageWorld, name = 'v0'): string {
  return storageWord(world.state, `vol-${name}`, world.now);
}

describe("the storage's view of a volume", () => {
  it.each<[HealthStatus, string]>([
    ['Healthy', 'good'],
    ['Degraded', 'good'],
    ['Inaccessible', 'bad'],
    ['Hung', 'bad'],
    ['Abnormal', 'bad'],
    ['DataLoss', 'bad'],
    ['Unknown', 'unknown'],
  ])('%s is %s, listed or asked for', (status, expected) => {
    const listed = bound('list');
    listed.lists(all('Healthy', { v0: status }));
    expect(wordOf(listed)).toBe(expected);
    const asked = bound('get');
    asked.says('v0', status);
    expect(wordOf(asked)).toBe(expected);
  });

  it('is unknown until somebody has asked, and where the driver knows no such volume', () => {
    const world = bound();
    expect(wordOf(world)).toBe('unknown');
    world.says('v0', undefined);
    expect(wordOf(world)).toBe('unknown');
    world.state.capabilities = undefined;
    world.says('v0', 'Healthy');
    expect(wordOf(world)).toBe('unknown');
  });

  it('is not offered, whatever was said before the driver was replaced', () => {
    const world = bound();
    world.says('v0', 'Inaccessible');
    world.offers('none');
    expect(wordOf(world)).toBe('not-offered');
  });

  it.each([
    ['list', 180_000],
    ['get', 900_000],
  ] as const)('is too old, with %s, after %i ms', (health, afterMs) => {
    const world = bound(health);
    world.says('v0', 'Healthy');
    world.now += afterMs;
    expect(wordOf(world)).toBe('good');
    world.now += 1;
    expect(wordOf(world)).toBe('stale');
  });

  it('is missing once asking fails, until an answer that was asked for later', () => {
    const world = bound('list');
    world.lists(all('Healthy'));
    world.now += 1_000;
    world.silentStorage();
    expect(wordOf(world)).toBe('unreachable');
    world.lists(all('Healthy'), world.now - 500);
    expect(wordOf(world)).toBe('unreachable');
    world.now += 1_000;
    world.lists(all('Healthy'));
    expect(wordOf(world)).toBe('good');
    world.now += 1_000;
    world.silentStorage('v0');
    expect([wordOf(world), wordOf(world, 'v1')]).toEqual(['unreachable', 'good']);
  });

  it('does not become good by a failure, nor by leaving a listing', () => {
    const world = bound('list');
    world.lists(all('Healthy', { v0: 'Inaccessible' }));
    world.now += 1_000;
    const { v0: _gone, ...others } = all('Healthy');
    world.lists(others);
    expect(wordOf(world)).toBe('bad');
    world.now += 1_000;
    world.lists(others);
    expect(wordOf(world)).toBe('unknown');
    world.says('v0', 'Healthy');
    expect(wordOf(world)).toBe('good');
  });

  it('stays as it is in a listing without a word, and grows old', () => {
    const world = bound('list');
    world.lists(all('Healthy'));
    world.now += 100_000;
    world.lists(all('Unknown'));
    expect(wordOf(world)).toBe('good');
    world.now += 80_001;
    world.lists(all('Unknown'));
    expect(wordOf(world)).toBe('stale');
  });

  it('does not stay good when it leaves two listings', () => {
    const world = bound('list');
    world.lists(all('Healthy'));
    const { v0: _gone, ...others } = all('Healthy');
    for (const expected of ['good', 'unknown']) {
      world.now += 1_000;
      world.lists(others);
      expect(wordOf(world)).toBe(expected);
    }
  });

  it('is the younger word when a listing ends after a question that was asked later', () => {
    const world = bound('list');
    const beganAt = world.now;
    world.now += 5_000;
    world.says('v0', 'Inaccessible');
    world.lists(all('Healthy'), beganAt);
    expect([wordOf(world), wordOf(world, 'v1')]).toEqual(['bad', 'good']);
  });

  it('is forgotten with the PV', () => {
    const world = bound('get');
    world.says('v0', 'Inaccessible');
    world.silentStorage('v0');
    const pv = world.state.pvs.get('pv-v0');
    if (pv !== undefined) world.remove(pv);
    world.says('v0', 'Inaccessible');
    world.silentStorage('v0');
    const { volumes, unread, known, abnormal } = world.state.storage;
    expect([volumes.size, unread.size, known, abnormal]).toEqual([0, 0, 0, 0]);
  });

  it('vouches for ten seconds', () => {
    const world = bound();
    world.says('v0', 'Healthy');
    const vouched = (): boolean => isVouchedFor(world.state, 'vol-v0', world.now);
    world.now += 10_000;
    expect(vouched()).toBe(true);
    world.now += 1;
    expect(vouched()).toBe(false);
    world.says('v0', 'Inaccessible');
    expect(vouched()).toBe(false);
  });
});

describe('the mass breaker', () => {
  const bad = (count: number): Record<string, HealthStatus> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, 'Abnormal']));

  it.each([
    [5, 'bad', 'good'],
    [6, 'mass', 'mass'],
    [10, 'mass', 'mass'],
  ])('of ten volumes with %i abnormal says %s', (count, first, last) => {
    const world = bound('list');
    world.lists(all('Healthy', bad(count)));
    expect([wordOf(world), wordOf(world, 'v9')]).toEqual([first, last]);
  });

  it.each<[readonly HealthStatus[], string]>([
    [['Abnormal'], 'bad'],
    [['Abnormal', 'Abnormal'], 'mass'],
    [['Abnormal', 'Abnormal', 'Healthy'], 'bad'],
    [['Abnormal', 'Abnormal', 'Unknown'], 'mass'],
    [['Abnormal', 'Abnormal', 'Degraded'], 'bad'],
  ])('of few volumes that are %j says %s', (statuses, expected) => {
    const world = bound('list');
    world.lists(Object.fromEntries(statuses.map((status, i) => [`v${i}`, status])));
    expect(wordOf(world)).toBe(expected);
  });

  it('ends by itself, volume by volume or at once', () => {
    const world = bound('get');
    for (let i = 0; i < 10; i += 1) world.says(`v${i}`, 'Abnormal');
    for (let i = 0; i < 4; i += 1) world.says(`v${i}`, 'Healthy');
    expect(wordOf(world)).toBe('mass');
    world.says('v4', 'Healthy');
    expect([wordOf(world), wordOf(world, 'v9')]).toEqual(['good', 'bad']);
  });
});

describe('a driver that means something else by abnormal', () => {
  const full = 'The free space of the volume is insufficient';
  it.each<[string, 'node' | 'controller', string, HealthStatus]>([
    ['csi-powermax.dellemc.com', 'controller', 'Unisphere is down', 'Unknown'],
    ['csi-powermax.dellemc.com', 'node', 'path is gone', 'Abnormal'],
    ['linstor.csi.linbit.com', 'controller', 'Resource with issues on node(s): a', 'Degraded'],
    ['linstor.csi.linbit.com', 'node', 'it is gone', 'Abnormal'],
    ['hostpath.csi.k8s.io', 'controller', full, 'Degraded'],
    [
      'hostpath.csi.k8s.io',
      'controller',
      'The capacity of volume is greater than actual storage',
      'Degraded',
    ],
    ['hostpath.csi.k8s.io', 'controller', 'The source path does not exist', 'Abnormal'],
    ['hostpath.csi.k8s.io', 'node', full, 'Degraded'],
    ['block.example.com', 'controller', full, 'Abnormal'],
  ])('%s, by its %s: %s', (driver, viewer, message, expected) => {
    expect(readHealth(driver, viewer, word('Abnormal', message)).status).toBe(expected);
    expect(readHealth(driver, viewer, word('Inaccessible', message)).status).toBe('Inaccessible');
  });

  it('is read so wherever its words come in', () => {
    const world = StorageWorld.stored('get', { driver: 'csi-powermax.dellemc.com' });
    const pv = world.volume('v0');
    world.put({ ...pv, driver: 'csi-powermax.dellemc.com' });
    world.says('v0', 'Abnormal');
    expect(wordOf(world)).toBe('unknown');
    world.lists({ v0: 'Abnormal' });
    expect(wordOf(world)).toBe('unknown');
  });
});
