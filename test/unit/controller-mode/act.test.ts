import { describe, expect, it } from '@jest/globals';
import { type Action, action } from '../../../src/controller-mode/actions.ts';
import {
  attacherFinalizer,
  fencedTaint,
  holdFinalizer,
  intentAnnotation,
  outOfServiceTaint,
  reportAnnotation,
} from '../../../src/shared/names.ts';
import { driver, epoch } from './views.ts';
import {
  actionFor,
  attachmentKey,
  before,
  foreignTaint,
  heartbeatKey,
  kubeletKey,
  nodeKey,
  podKey,
  recordOf,
  refuse,
  StoreWorld,
  volumes,
  done,
  failed,
  worldWith,
  type Refusal,
} from './store-world.ts';

describe('BeginEpisode', () => {
  it('writes the record on the very Lease that fell silent', () => {
    const world = new StoreWorld();
    const { resourceVersion } = world.heartbeat();
    expect(world.run(actionFor('BeginEpisode', world))).toEqual(done);
    const expected = recordOf({ epoch: resourceVersion, episode: `n1.${resourceVersion}` });
    expect(world.recordNow()).toEqual(expected);
    expect(world.writes).toEqual(['patch leases']);
  });

  it.each<Refusal>([
    ['the agent has renewed', (w) => w.renew(), 'RENEWED'],
    ['the kubelet has renewed', (w) => w.renew(kubeletKey), 'RENEWED'],
    ['the Lease is another one', (w) => w.replace('leases', heartbeatKey), 'RENEWED'],
    ['the Lease is gone', (w) => w.store.delete('leases', heartbeatKey), 'HTTP_404'],
  ])('does nothing when since the decision %s', (_, change, code) => {
    const world = new StoreWorld();
    const begin = actionFor('BeginEpisode', world);
    change(world);
    expect(world.run(begin)).toMatchObject(failed(code));
    expect(world.recordNow()).toBeUndefined();
    expect(world.writes).toEqual([]);
  });

  it.each([0, 1, 2])('loses the race against an agent that renews before request %i', (at) => {
    const world = new StoreWorld();
    const begin = actionFor('BeginEpisode', world);
    expect(
      world.run(
        begin,
        before(at, (w) => w.renew()),
      ),
    ).toMatchObject({ kind: 'Failed' });
    expect(world.recordNow()).toBeUndefined();
  });

  it('minds no renewal where the agent lives and the evidence is another', () => {
    const world = new StoreWorld();
    const begin = { ...actionFor('BeginEpisode', world), renewed: 'anything' } as Action;
    world.renew();
    const { resourceVersion } = world.heartbeat();
    expect(world.run(begin)).toEqual(done);
    expect(world.recordNow()?.epoch).toBe(resourceVersion);
  });

  it.each([
    ['dead', done],
    ['ok', failed('RENEWED')],
  ])('asks a heartbeat that was renewed whether the kubelet is dead: %s', (kubelet, outcome) => {
    const world = new StoreWorld();
    const begin = { ...actionFor('BeginEpisode', world), renewed: 'kubelet-dead' } as Action;
    const report = JSON.stringify({ v: 1, bootID: 'boot-n1', driver: 'ok', kubelet });
    const annotations = { [reportAnnotation]: report };
    world.store.patch('leases', heartbeatKey, { metadata: { annotations } });
    expect(world.run(begin)).toMatchObject(outcome);
  });

  it('begins no second episode over a record', () => {
    const world = worldWith((w) => w.record({ epoch: '6' }));
    expect(world.run(actionFor('BeginEpisode', world))).toMatchObject(failed('BEGUN'));
    expect(world.recordNow()?.epoch).toBe('6');
  });

  it.each([0, 1])('does nothing when request %i is not answered', (at) => {
    const world = new StoreWorld();
    const outcome = world.run(actionFor('BeginEpisode', world), refuse(at, 503));
    expect(outcome).toMatchObject({ kind: 'Unknown' });
    expect(world.recordNow()).toBeUndefined();
  });

  it('creates a Lease for a node that never had an agent, with an epoch of its own', () => {
    const world = worldWith((w) => w.store.delete('leases', heartbeatKey));
    expect(world.run(actionFor('BeginEpisode', world))).toEqual(done);
    expect(world.recordNow()).toMatchObject({ phase: 'Intent', volumes });
    expect(world.recordNow()?.epoch).toMatch(/^0-[0-9a-f]{8}$/);
  });

  it.each([1, 2])('writes over no Lease that an agent creates before request %i', (at) => {
    const world = worldWith((w) => w.store.delete('leases', heartbeatKey));
    const begin = actionFor('BeginEpisode', world);
    const create = (w: StoreWorld) => w.store.create('leases', { metadata: heartbeatKey });
    expect(world.run(begin, before(at, create))).toMatchObject({ kind: 'Failed' });
    expect(world.recordNow()).toBeUndefined();
  });

  it('takes no node for deleted whose Node is there', () => {
    const world = new StoreWorld();
    const begin = { ...actionFor('BeginEpisode', world), nodeUid: '' } as Action;
    expect(world.run(begin)).toMatchObject(failed('NODE_EXISTS'));
    world.store.delete('nodes', nodeKey);
    expect(world.run(begin)).toEqual(done);
  });

  it('adopts a taint only if the node carries it', () => {
    const world = new StoreWorld();
    const adopts = { holds: [], taint: fencedTaint(driver) };
    const begin = (): Action =>
      ({
        ...actionFor('BeginEpisode', world),
        kubeletRenewTime: undefined,
        adopts,
      }) as unknown as Action;
    expect(world.run(begin())).toMatchObject(failed('NOT_TAINTED'));
    expect(world.recordNow()).toBeUndefined();
    world.taint();
    expect(world.run(begin())).toEqual(done);
  });

  it('adopts holds only if they stand', () => {
    const world = worldWith((w) => w.taint());
    const uid = world.uid('volumeattachments', attachmentKey);
    const adopts = { holds: [{ ...attachmentKey, uid }], taint: fencedTaint(driver) };
    const begin = { ...actionFor('BeginEpisode', world), adopts } as Action;
    expect(world.run(begin)).toMatchObject(failed('NOT_HELD'));
    world.hold('held');
    expect(world.run(begin)).toEqual(done);
  });
});

describe('MarkPod and UnmarkPod', () => {
  const intent = (world: StoreWorld) =>
    world.metadata('pods', podKey).annotations?.[intentAnnotation(driver)];

  it.each<Refusal>([
    ['another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['a closed record', (w) => w.record({ phase: 'Released' }), 'OTHER_PHASE'],
    ['another pod of the name', (w) => w.replace('pods', podKey), 'HTTP_422'],
    ['no pod', (w) => w.store.delete('pods', podKey, { gracePeriodSeconds: 0 }), 'HTTP_404'],
  ])('mark nothing for %s', (_, change, code) => {
    const world = worldWith((w) => w.record());
    const mark = actionFor('MarkPod', world);
    change(world);
    expect(world.run(mark)).toMatchObject(failed(code));
    expect(intent(world)).toBeUndefined();
  });

  it('unmark nothing while the episode stands', () => {
    const world = worldWith(
      (w) => w.record({ phase: 'Fenced' }),
      (w) => w.mark(),
    );
    expect(world.run(actionFor('UnmarkPod', world))).toMatchObject(failed('STANDING'));
    world.record({ phase: 'Released' });
    expect(world.run(actionFor('UnmarkPod', world))).toEqual(done);
    expect(intent(world)).toBeUndefined();
  });

  it('leave the mark of the next episode, even of one that is just being written', () => {
    const world = worldWith((w) => w.mark());
    const unmark = actionFor('UnmarkPod', world);
    const raced = world.run(
      unmark,
      before(2, (w) => w.mark({ epoch: '8' })),
    );
    expect(raced).toMatchObject(failed('HTTP_409'));
    expect(intent(world)).toContain('"epoch":"8"');
    expect(world.run(unmark)).toEqual(done);
    expect(intent(world)).toContain('"epoch":"8"');
  });

  it('leave another pod of the name alone', () => {
    const world = worldWith((w) => w.mark());
    const unmark = actionFor('UnmarkPod', world);
    world.replace('pods', podKey);
    expect(world.run(unmark)).toEqual(done);
    expect(intent(world)).toBeDefined();
  });
});

describe('SetTaint and ClearTaint', () => {
  const ours = { key: fencedTaint(driver), effect: 'NoSchedule' };

  it('carry over what is not theirs', () => {
    const world = worldWith((w) => w.record());
    expect(world.run(actionFor('SetTaint', world))).toEqual(done);
    expect(world.taints()).toEqual([foreignTaint, ours]);
    expect(world.run(actionFor('ClearTaint', world))).toEqual(done);
    expect(world.taints()).toEqual([foreignTaint]);
  });

  it.each<Refusal>([
    ['another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['no record', (w) => w.noRecord(), 'OTHER_EPOCH'],
    ['a closed record', (w) => w.record({ phase: 'Released' }), 'OTHER_PHASE'],
    ['another Node of the name', (w) => w.replace('nodes', nodeKey), 'REPLACED'],
    ['no Node', (w) => w.store.delete('nodes', nodeKey), 'HTTP_404'],
  ])('set nothing for %s', (_, change, code) => {
    const world = worldWith((w) => w.record());
    const set = actionFor('SetTaint', world);
    change(world);
    expect(world.run(set)).toMatchObject(failed(code));
    expect(world.taints()).not.toContainEqual(ours);
  });

  it('keep what another writer of the list adds at the same time', () => {
    const world = worldWith((w) => w.record());
    const set = actionFor('SetTaint', world);
    const raced = before(2, (w) => w.taint('example.com/other'));
    expect(world.run(set, raced)).toEqual(done);
    for (const key of ['example.com/other', fencedTaint(driver)]) {
      expect(world.taints()).toContainEqual({ key, effect: 'NoSchedule' });
    }
  });

  it('are tried five times against somebody who writes to the node all the time', () => {
    let writes = 0;
    const world = worldWith((w) => w.taint());
    const busy = world.run(actionFor('ClearTaint', world), (w, _request, effect) => {
      if (effect.target !== 'kubernetes' || effect.verb !== 'patch') return undefined;
      const annotations = { writes: String((writes += 1)) };
      w.store.patch('nodes', nodeKey, { metadata: { annotations } });
      return undefined;
    });
    expect(busy).toMatchObject(failed('HTTP_409'));
    expect(writes).toBe(5);
  });

  it('touch no taint of the same key that somebody else set', () => {
    const world = worldWith(
      (w) => w.record(),
      (w) => w.taint(outOfServiceTaint, 'theirs'),
    );
    const taint = { key: outOfServiceTaint, value: 'csi-failover.1' };
    const set = { ...actionFor('SetTaint', world), taint } as Action;
    expect(world.run(set)).toMatchObject(failed('FOREIGN_TAINT'));
    const clear = { ...actionFor('ClearTaint', world), taint } as Action;
    expect(world.run(clear)).toEqual(done);
    expect(world.taints()).toContainEqual({ ...taint, value: 'theirs', effect: 'NoSchedule' });
  });

  it('clear nothing on another Node of the name', () => {
    const world = worldWith((w) => w.taint());
    const clear = actionFor('ClearTaint', world);
    world.replace('nodes', nodeKey);
    expect(world.run(clear)).toEqual(done);
    expect(world.taints()).toContainEqual(ours);
  });
});

describe('UndoHold', () => {
  const finalizers = (world: StoreWorld) =>
    world.metadata('volumeattachments', attachmentKey).finalizers;

  it('takes our finalizer off, never another', () => {
    const world = worldWith((w) => w.hold('begun'));
    expect(world.run(actionFor('UndoHold', world))).toEqual(done);
    expect(finalizers(world)).toEqual([attacherFinalizer(driver)]);
  });

  it.each<Refusal>([
    ['a record lists the volume', (w) => w.record({ epoch: '8' }), 'LISTED'],
    [
      'the volume is being taken away',
      (w) => w.store.delete('volumeattachments', attachmentKey),
      'DELETING',
    ],
  ])('does nothing when %s', (_, change, code) => {
    const world = worldWith((w) => w.hold('begun'));
    const undo = actionFor('UndoHold', world);
    change(world);
    expect(world.run(undo)).toMatchObject(failed(code));
    expect(finalizers(world)).toContain(holdFinalizer);
  });

  it('loses the race against the deletion', () => {
    const world = worldWith((w) => w.hold('begun'));
    const undo = actionFor('UndoHold', world);
    const deleted = before(2, (w) => w.store.delete('volumeattachments', attachmentKey));
    expect(world.run(undo, deleted)).toMatchObject(failed('HTTP_409'));
    expect(finalizers(world)).toContain(holdFinalizer);
  });
});

it('every action names its node as scope, so that an exclusive one waits for the others', () => {
  const world = worldWith((w) => w.record());
  expect(actionFor('Hold', world)).toMatchObject({ scope: 'n1', exclusive: false });
  const fields = { node: 'n1', heartbeat: world.heartbeat(), epoch, taint: '' };
  expect(action('RemoveRecord', epoch, fields, true)).toMatchObject({
    key: `RemoveRecord/n1/${epoch}`,
    scope: 'n1',
    exclusive: true,
  });
});
