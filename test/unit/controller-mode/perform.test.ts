import { describe, expect, it } from '@jest/globals';
import { act } from '../../../src/controller-mode/act.ts';
import { perform } from '../../../src/controller-mode/perform.ts';
import type { Effect, Reply } from '../../../src/shared/effect.ts';
import { holdFinalizer } from '../../../src/shared/names.ts';
import type { FenceRecord } from '../../../src/shared/record.ts';
import { carryOut } from '../../simulation/requests.ts';
import { actionFor, attachmentKey, podKey, StoreWorld } from './store-world.ts';
import { driver } from './views.ts';

/** The record stands and the pod is marked. */
function marked(phase: FenceRecord['phase'] = 'Intent'): StoreWorld {
  const world = new StoreWorld();
  world.record({ phase });
  world.mark();
  return world;
}

describe('carrying out', () => {
  function over(world: StoreWorld, mayWrite: () => boolean) {
    const perform = (effect: Effect): Promise<Reply> =>
      Promise.resolve(carryOut(effect, world.store, world.array));
    return { perform, mayWrite };
  }
  const context = { driver, wallTime: '' };

  it('ends before the write at which the lease is not certain any more', async () => {
    const world = marked();
    let writes = 0;
    const once = (): boolean => (writes += 1) <= 1;
    const outcome = await perform(act(actionFor('Hold', world), context), over(world, once));
    expect(outcome).toMatchObject({ kind: 'Failed', code: 'NOT_LEADER' });
    const { finalizers, deletionTimestamp } = world.metadata('volumeattachments', attachmentKey);
    expect(finalizers).toContain(holdFinalizer);
    expect(deletionTimestamp).toBeUndefined();
  });

  it('reads without a lease', async () => {
    const world = marked('Moved');
    const never = (): boolean => false;
    const outcome = await perform(act(actionFor('Hold', world), context), over(world, never));
    expect(outcome).toMatchObject({ kind: 'Failed', code: 'OTHER_PHASE' });
  });

  it('ends with the outcome of the action', async () => {
    const world = marked('Fenced');
    world.hold('held');
    const always = (): boolean => true;
    const outcome = await perform(act(actionFor('Evict', world), context), over(world, always));
    expect(outcome).toEqual({ kind: 'Done' });
    expect(world.body('pods', podKey)).toBeUndefined();
  });
});
