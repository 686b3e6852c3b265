import { describe, expect, it } from '@jest/globals';
import { World } from './world.ts';

/** web-0 is of an episode of n1 that has got as far as Fenced; nothing of it is held any more. */
function stripped(reason: string): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.record('n1', ['web-0'], { phase: 'Fenced', reason });
  world.mark('web-0');
  world.taint('n1');
  world.pass(1).back('n1');
  return world;
}

describe('an adopted episode of which nothing is held when its node is back', () => {
  it('stands for all volumes again, because nobody knows what was fenced before it', () => {
    const [update] = stripped('adopted').wanted('UpdateRecord');
    expect(update?.record).toMatchObject({ phase: 'Moved', reason: 'adopted', volumes: [] });
    expect(update?.unheld?.map(({ name }) => name)).toEqual(['va-web-0-n1']);
  });

  it('is given back only when the node has proven to be clean', () => {
    const world = stripped('adopted');
    world.record('n1', [], { phase: 'Moved', reason: 'adopted' });
    world.pass(60_000);
    expect(world.steps()).toEqual([]);
    expect(world.words('NodeKeptFenced', 'n1')).toEqual(['not-clean']);
  });

  it('is given up where the record has been there from the beginning', () => {
    const [update] = stripped('Lost: node-silent').wanted('UpdateRecord');
    expect(update?.record).toMatchObject({ phase: 'Released', reason: 'withdrawn' });
  });
});

describe('a pod on a fenced node whose attachment is gone already', () => {
  function alone(phase: 'Fenced' | 'Moved'): World {
    const world = World.healthy();
    world.volume('web-0');
    world.pod('web-0', 'n1', ['web-0']);
    world.lose('n1');
    world.taint('n1');
    world.record('n1', ['web-0'], { phase, reason: 'adopted' });
    return world.pass(1);
  }

  it('opens the episode again, which does not end before the pod is marked', () => {
    expect(alone('Moved').steps()).toEqual(['UpdateRecord Fenced']);
    expect(alone('Fenced').steps()).toEqual(['MarkPod default/web-0']);
  });

  it('waits from then on for a fence that nobody can confirm, and is told so', () => {
    const world = alone('Fenced');
    world.mark('web-0');
    world.pass(10_000);
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['fence-unconfirmed']);
  });
});
