import { describe, expect, it } from '@jest/globals';
import { begun } from './guard-table.ts';
import { World } from './world.ts';

/** n1 with web-0 and these others have not been heard for so long that each alone would be Lost. */
function silent(nodes: number, ...others: readonly string[]): World {
  const world = World.healthy(nodes);
  world.workload('web-0', 'n1');
  return world.lose('n1', ...others);
}

describe('a node that is still silent when others come back', () => {
  it('is not lost for that where they were too many to be believed', () => {
    const world = silent(4, 'n2', 'n3');
    for (const node of ['n2', 'n3']) world.back(node);
    world.pass(14_000);
    expect(begun(world)).toEqual([]);
  });

  it('is lost when it stays silent', () => {
    const world = silent(4, 'n2', 'n3');
    for (const node of ['n2', 'n3']) world.back(node);
    world.pass(16_000);
    expect(begun(world)).toEqual(['n1']);
  });

  it('is lost at once where a person has said that they are really dead', () => {
    const world = silent(4, 'n2', 'n3');
    world.configMap({ 'storm-override': 'true' });
    for (const node of ['n2', 'n3']) world.back(node);
    expect(begun(world)).toEqual(['n1']);
  });

  it('is lost in time where the others are only late, as with a slow API', () => {
    const world = silent(4);
    for (let i = 0; i < 3; i += 1) {
      for (const node of ['n2', 'n3']) world.silent(node);
      world.pass(6_000);
      expect(begun(world)).toEqual([]);
      for (const node of ['n2', 'n3']) world.back(node);
      expect(begun(world)).toEqual(['n1']);
    }
  });

  it('is lost at once where they were no storm', () => {
    const world = silent(8, 'n2');
    world.back('n2');
    expect(begun(world)).toEqual(['n1']);
  });

  it('counts anew from the last that came back, by its kubelet, too', () => {
    const world = silent(4, 'n2', 'n3');
    world.back('n2', 'kubelet');
    world.pass(10_000);
    world.back('n3', 'kubelet');
    world.pass(10_000);
    expect(begun(world)).toEqual([]);
  });
});
