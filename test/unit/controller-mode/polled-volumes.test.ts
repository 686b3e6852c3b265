import { describe, expect, it } from '@jest/globals';
import { boundHandles, troubledHandles } from '../../../src/controller-mode/polled-volumes.ts';
import { driver } from './views.ts';
import { StorageWorld } from './storage-world.ts';

describe('the volumes whose health is asked for', () => {
  it('are those of the driver that are bound to a claim', () => {
    const world = StorageWorld.stored();
    world.volume('a', { driver });
    world.volume('b', { claimUid: '' });
    world.volume('c', { driver: 'another.example.com' });
    world.volume('d', { handle: '' });
    expect(boundHandles(world.state)).toEqual(['vol-a']);
  });

  it('come first where a node that has them attached finds them bad', () => {
    const world = StorageWorld.stored();
    for (const name of ['a', 'b', 'c']) {
      world.volume(name);
      world.attach(name, name === 'c' ? 'n2' : 'n1');
    }
    const troubled = troubledHandles(world.state, () => world.now);
    expect(troubled()).toEqual([]);
    world.sick('n1', ['a', 'c']);
    world.pass(1_000);
    expect(troubled()).toEqual(['vol-a']);
    world.well('n1', 2, { storage: { status: 'unreachable', reason: '', message: '' } });
    world.pass(1_000);
    expect(troubled()).toEqual(['vol-a', 'vol-b']);
    world.well('n1');
    world.pass(1_000);
    expect(troubled()).toEqual([]);
  });
});
