import { describe, expect, it } from '@jest/globals';
import { controllerMode } from '../../../src/controller-mode/mode.ts';
import { withRecovery } from '../../../src/controller-mode/recovery.ts';
import type { Notice } from '../../../src/shared/mode.ts';
import { StorageWorld } from './storage-world.ts';
import { World } from './world.ts';

/** What one process says in this world, at each second that passes. */
function speaker(world: World) {
  const mode = withRecovery(controllerMode);
  const said = (): readonly Notice[] => mode.decide(world.state, world.now).notices;
  const recovered = (): readonly Notice[] =>
    said().filter(({ reason }) => reason === 'NodeRecovered');
  const pass = (seconds: number): readonly Notice[] => {
    for (let i = 0; i < seconds; i += 1) {
      world.pass(1_000);
      said();
    }
    return recovered();
  };
  return { pass, recovered };
}

describe('a node that is well again', () => {
  it('is told once, on the node, with what it was', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.silent('n1');
    expect(pass(30)).toEqual([]);
    world.back('n1');
    const [first, ...more] = recovered();
    expect(more).toEqual([]);
    expect(first).toMatchObject({ about: { kind: 'Node', name: 'n1' }, type: 'Normal' });
    expect(first?.note).toContain('Lost (node-silent)');
    expect(pass(30)).toEqual([first]);
    expect(pass(600)).toEqual([]);
  });

  it('is another occurrence the next time', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    const keys = [1, 2].map(() => {
      world.silent('n1');
      pass(30);
      world.back('n1');
      return recovered()[0]?.key;
    });
    expect(keys[0]).toBeDefined();
    expect(keys[1]).not.toBe(keys[0]);
  });

  it('is no news where nobody was told that it was not', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.silent('n1');
    pass(8);
    world.back('n1');
    expect(recovered()).toEqual([]);
    world.silent('n1');
    pass(30);
    world.back('n1');
    expect(speaker(world).recovered()).toEqual([]);
  });

  it('that was not ready is well when it is', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.changeNode('n1', { ready: 'False' });
    expect(pass(40)).toEqual([]);
    world.changeNode('n1', { ready: 'True' });
    expect(recovered()[0]?.note).toContain('NotReady (Ready=False)');
  });

  it('is not well while only its agent is heard, or its driver does not answer', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.silent('n1');
    pass(30);
    world.back('n1', 'agent');
    expect(recovered()).toEqual([]);
    world.back('n1', 'kubelet');
    world.beat('n1', { driver: 'silent' });
    expect(recovered()).toEqual([]);
    world.beat('n1', { driver: 'ok' });
    expect(recovered()).toHaveLength(1);
  });

  it('is not said to be so by whoever does not lead, or has a gap in its view', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.silent('n1');
    pass(30);
    world.see({ kind: 'WatchLost', source: 'pods', reason: '' });
    world.back('n1');
    expect(recovered()).toEqual([]);
    world.see({ kind: 'WatchResumed', source: 'pods' });
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    expect(recovered()).toEqual([]);
    world.see({ kind: 'Leadership', leading: true, renewal: '' });
    expect(recovered()).toHaveLength(1);
  });

  it('is another node if it was created anew', () => {
    const world = World.healthy();
    const { pass, recovered } = speaker(world);
    world.silent('n1');
    pass(30);
    world.changeNode('n1', { uid: 'of another one' });
    world.back('n1');
    expect(recovered()).toEqual([]);
  });

  it('has its storage again each time that it had lost it', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1');
    const { pass, recovered } = speaker(world);
    const agains = [1, 2].map(() => {
      world.sick('n1', ['web-0']);
      pass(31);
      world.well('n1');
      const [notice] = recovered();
      expect(notice?.note).toContain('StorageLost (volume-inaccessible)');
      return notice?.again;
    });
    expect(agains[0]).not.toBe(agains[1]);
  });
});
