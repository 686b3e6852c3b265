import { describe, expect, it } from '@jest/globals';
import { running } from './running.ts';
import { World } from './world.ts';

const evict = 'Evict default/web-0';

describe('where the driver lists published nodes', () => {
  const capabilities = {
    publishUnpublish: true,
    listsPublishedNodes: true,
    health: 'none' as const,
  };

  function listing(): World {
    const world = running('held', 'Fenced');
    world.see({ kind: 'Driver', capabilities });
    return world;
  }

  it('its listing is asked before anything is believed', () => {
    const world = listing();
    expect(world.steps()).toEqual(['VerifyRevoked n1']);
    const [verify] = world.wanted('VerifyRevoked');
    expect(verify?.volumes).toMatchObject([{ handle: 'vol-web-0', nodeId: 'id-n1' }]);
    if (verify !== undefined) world.settle(verify);
    expect(world.steps()).toEqual([evict]);
  });

  it('it is told under which ids the nodes go, also those that are gone', () => {
    const world = listing();
    world.workload('db-0', 'n2');
    const csinode = world.state.csinodes.get('n2');
    if (csinode !== undefined) world.remove(csinode);
    const [verify] = world.wanted('VerifyRevoked');
    const ids = ['id-n1', 'id-n2', 'id-n3', 'id-n4'];
    expect([...(verify?.knownNodeIds ?? [])].sort()).toEqual(ids);
  });

  it('a failed look proves nothing', () => {
    const world = listing();
    const [verify] = world.wanted('VerifyRevoked');
    const outcome = { kind: 'Failed', code: 'STILL_PUBLISHED', detail: '' } as const;
    if (verify !== undefined) world.settle(verify, outcome);
    expect(world.steps()).toEqual(['VerifyRevoked n1']);
  });

  it.each([
    ['STILL_PUBLISHED', 'still lists it'],
    ['PUBLISHED_TO_STRANGER', 'still lists it'],
    ['DEADLINE_EXCEEDED', 'yet (DEADLINE_EXCEEDED)'],
    ['NOT_LISTED', 'yet (NOT_LISTED)'],
  ])('people read what it said: %s', (code, says) => {
    const world = listing();
    world.pass(5_000);
    const note = () => world.notices('FailoverWaiting')[0]?.note;
    expect(note()).toMatch(/confirmed that yet\.$/);
    const [verify] = world.wanted('VerifyRevoked');
    if (verify !== undefined) world.settle(verify, { kind: 'Unknown', code, detail: '' });
    expect(note()).toContain(says);
  });

  it('people hear of it who were told before that it waits for the attacher', () => {
    const world = running('fencing');
    world.see({ kind: 'Driver', capabilities });
    world.pass(5_000);
    const key = () => world.notices('FailoverWaiting')[0]?.key;
    const before = key();
    world.stage('web-0', 'n1', 'held');
    // The listing will say so in a moment.
    expect(key()).toBe(before);
    const [verify] = world.wanted('VerifyRevoked');
    const outcome = { kind: 'Unknown', code: 'DEADLINE_EXCEEDED', detail: '' } as const;
    if (verify !== undefined) world.settle(verify, outcome);
    expect(key()).not.toBe(before);
  });

  it('a volume that the listing still names among others is said to be listed', () => {
    const world = listing();
    world.pass(5_000);
    const [verify] = world.wanted('VerifyRevoked');
    if (verify !== undefined) world.settle(verify, { kind: 'Done', only: [] });
    expect(world.notices('FailoverWaiting')[0]?.note).toContain('still lists it');
  });

  it('one volume that is still published keeps no other pod waiting', () => {
    const world = World.healthy(5);
    for (const name of ['web-0', 'web-1']) world.workload(name, 'n1');
    world.lose('n1');
    world.record('n1', ['web-0', 'web-1'], { phase: 'Fenced' });
    world.taint('n1');
    for (const name of ['web-0', 'web-1']) {
      world.mark(name);
      world.stage(name, 'n1', 'held');
    }
    world.see({ kind: 'Driver', capabilities });
    const [verify] = world.wanted('VerifyRevoked');
    if (verify === undefined) throw new Error('nothing is asked');
    world.settle(verify, { kind: 'Done', only: [world.findAttachment('web-1', 'n1').uid] });
    expect(world.steps()).toEqual(['Evict default/web-1', 'VerifyRevoked n1']);
    const [again] = world.wanted('VerifyRevoked');
    expect(again?.volumes.map(({ handle }) => handle)).toEqual(['vol-web-0']);
    // Another need, so that it does not wait until the first one is forgotten.
    expect(again?.key).not.toBe(verify.key);
  });

  it('one listing at a time serves whatever is held', () => {
    const world = listing();
    const [verify] = world.wanted('VerifyRevoked');
    world.workload('web-1', 'n1');
    world.record('n1', ['web-0', 'web-1'], { phase: 'Fenced' });
    world.mark('web-1');
    world.stage('web-1', 'n1', 'held');
    const [more] = world.wanted('VerifyRevoked');
    expect(more?.volumes).toHaveLength(2);
    expect(more?.key).toBe(verify?.key);
  });

  it('what was proven for one attachment is not proven for its successor', () => {
    const world = listing();
    const [verify] = world.wanted('VerifyRevoked');
    if (verify !== undefined) world.settle(verify);
    world.remove(world.findAttachment('web-0', 'n1'));
    world.attach('web-0', 'n1');
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual(['VerifyRevoked n1']);
  });

  it('an attachment that does not say its node id is asked for by the id of CSINode', () => {
    const world = listing();
    world.put({ ...world.findAttachment('web-0', 'n1'), nodeId: '' });
    const [verify] = world.wanted('VerifyRevoked');
    expect(verify?.volumes).toMatchObject([{ nodeId: 'id-n1' }]);
  });

  it('nothing is confirmed as long as the driver has not said whether it does', () => {
    const world = running('held', 'Fenced');
    world.state.capabilities = undefined;
    expect(world.wanted('Evict')).toEqual([]);
    world.remove(world.findPod('web-0'));
    expect(world.wanted('DropHold')).toEqual([]);
  });
});
