import { describe, expect, it } from '@jest/globals';
import type { Action } from '../../../src/controller-mode/actions.ts';
import {
  actionFor,
  attachmentKey,
  before,
  heartbeatKey,
  volumes,
  done,
  failed,
  worldWith,
  type Refusal,
} from './store-world.ts';

describe('UpdateRecord', () => {
  it.each<Refusal>([
    ['another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['no record', (w) => w.noRecord(), 'OTHER_EPOCH'],
    ['a closed record', (w) => w.record({ phase: 'Released' }), 'RELEASED'],
    [
      'a record to which another step has added a volume',
      (w) => w.record({ volumes: [...volumes, { handle: 'vol-b', pv: 'pv-b' }] }),
      'CHANGED',
    ],
    ['a record that is further already', (w) => w.record({ phase: 'Moved' }), 'CHANGED'],
  ])('writes nothing over %s', (_, change, code) => {
    const world = worldWith((w) => w.record());
    const update = actionFor('UpdateRecord', world);
    change(world);
    const now = world.recordNow();
    expect(world.run(update)).toMatchObject(failed(code));
    expect(world.recordNow()).toEqual(now);
  });

  it('loses the race against another write of the record', () => {
    const world = worldWith((w) => w.record());
    const update = actionFor('UpdateRecord', world);
    const closed = before(1, (w) => w.record({ phase: 'Released' }));
    expect(world.run(update, closed)).toMatchObject(failed('HTTP_409'));
    expect(world.recordNow()?.phase).toBe('Released');
  });

  it('goes on when the agent has renewed meanwhile', () => {
    const world = worldWith((w) => w.record());
    const update = actionFor('UpdateRecord', world);
    world.renew();
    expect(world.run(update)).toEqual(done);
    expect(world.recordNow()?.phase).toBe('Fenced');
  });

  it('goes on when the agent renews while attachments are read, and not over another record', () => {
    const world = worldWith((w) => w.record());
    const uid = world.uid('volumeattachments', attachmentKey);
    const update = {
      ...actionFor('UpdateRecord', world),
      unheld: [{ ...attachmentKey, uid }],
    } as Action;
    const closed = before(2, (w) => w.record({ phase: 'Released' }));
    expect(world.run(update, closed)).toMatchObject(failed('RELEASED'));
    world.record();
    expect(
      world.run(
        update,
        before(2, (w) => w.renew()),
      ),
    ).toEqual(done);
    expect(world.recordNow()?.phase).toBe('Fenced');
  });

  it.each(['begun', 'fencing', 'held'] as const)(
    'lets go of no attachment on which a hold is %s',
    (stage) => {
      const world = worldWith((w) => w.record());
      const uid = world.uid('volumeattachments', attachmentKey);
      const unheld = [{ ...attachmentKey, uid }];
      const update = { ...actionFor('UpdateRecord', world), unheld } as Action;
      expect(
        world.run(
          update,
          before(1, (w) => w.hold(stage)),
        ),
      ).toMatchObject(failed('HELD'));
      expect(world.recordNow()?.phase).toBe('Intent');
    },
  );
});

describe('RemoveRecord', () => {
  it.each(['Intent', 'Fenced', 'Moved'] as const)('never removes one in phase %s', (phase) => {
    const world = worldWith((w) => w.record({ phase }));
    expect(world.run(actionFor('RemoveRecord', world))).toMatchObject(failed('NOT_RELEASED'));
    expect(world.recordNow()?.phase).toBe(phase);
  });

  it('leaves the record of another epoch, and one of a tainted node', () => {
    const world = worldWith((w) => w.record({ phase: 'Released', epoch: '8' }));
    expect(world.run(actionFor('RemoveRecord', world))).toEqual(done);
    expect(world.recordNow()?.epoch).toBe('8');
    world.record({ phase: 'Released' });
    world.taint();
    expect(world.run(actionFor('RemoveRecord', world))).toMatchObject(failed('TAINTED'));
    expect(world.recordNow()).toBeDefined();
  });

  it('is the last write', () => {
    const world = worldWith((w) => w.record({ phase: 'Released' }));
    expect(world.run(actionFor('RemoveRecord', world))).toEqual(done);
    expect(world.recordNow()).toBeUndefined();
    expect(world.body('leases', heartbeatKey)).toBeDefined();
  });
});
