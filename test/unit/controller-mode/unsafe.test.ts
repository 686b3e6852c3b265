import { describe, expect, it } from '@jest/globals';
import { driver } from './views.ts';
import { World } from './world.ts';

const unsafe = { fence: { kind: 'unsafe' } } as const;
const evict = 'Evict default/web-0';
const hold = 'Hold va-web-0-n1';

/** Node n1 is Lost; pod web-0 of it carries the intent, and the node our taint. */
function moving(before: (world: World) => void, policy: Parameters<typeof World.healthy>[1]) {
  const world = World.healthy(5, policy);
  world.workload('web-0', 'n1');
  before(world);
  world.lose('n1');
  world.record('n1', ['web-0']);
  world.taint('n1');
  world.mark('web-0');
  return world;
}

/** Drivers without attach: nobody makes VolumeAttachments. */
function attachless(world: World): void {
  world.remove(world.findAttachment('web-0', 'n1'));
  const view = world.state.csidrivers.get(driver);
  if (view !== undefined) world.put({ ...view, attachRequired: false });
}

/** Drivers that cannot unpublish: the attacher never puts its finalizer on. */
function bare(world: World): void {
  const capabilities = {
    publishUnpublish: false,
    listsPublishedNodes: false,
    health: 'none' as const,
  };
  world.see({ kind: 'Driver', capabilities });
  world.put({ ...world.findAttachment('web-0', 'n1'), finalizers: [] });
}

describe('where a person insists to move without a fence', () => {
  it.each([
    ['without attach', attachless],
    ['that cannot unpublish', bare],
    ['that can', () => {}],
  ])('an episode begins for a driver %s, and for none where nobody insists', (_, before) => {
    const begins = (policy: Parameters<typeof World.healthy>[1]): number => {
      const world = World.healthy(5, policy);
      world.workload('web-0', 'n1');
      before(world);
      return world.lose('n1').wanted('BeginEpisode').length;
    };
    expect(begins(unsafe)).toBe(1);
    expect(begins({ fence: { kind: 'unfenceable', why: 'it is declared' } })).toBe(0);
  });

  it('what can be held is held, and waited for', () => {
    const world = moving(() => {}, unsafe);
    expect(world.steps()).toEqual([hold]);
    expect(world.wanted('Hold')[0]?.bare).toBeUndefined();
    world.put({ ...world.findAttachment('web-0', 'n1'), finalizers: [] });
    // Of this driver the attacher is on its way: without it nothing is unpublished.
    expect(world.steps()).toEqual([]);
    world.stage('web-0', 'n1', 'fencing');
    expect(world.steps()).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual([evict, 'UpdateRecord Fenced']);
  });

  it('what the attacher never touches is held without it', () => {
    const world = moving(bare, unsafe);
    expect(world.wanted('Hold')).toMatchObject([
      { attachment: { name: 'va-web-0-n1' }, bare: true },
    ]);
    expect(world.wanted('Evict')).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.steps()).toEqual([evict, 'UpdateRecord Fenced']);
  });

  it('such a hold is begun by nobody else', () => {
    const unpublish = { fence: { kind: 'unpublish', claim: '' } } as const;
    expect(moving(bare, unpublish).wanted('Hold')).toEqual([]);
  });

  it('a pod of whose volume nothing can be held goes once the node is tainted', () => {
    const world = moving(attachless, unsafe);
    expect(world.steps()).toEqual(['UpdateRecord Fenced']);
    world.untaint('n1');
    expect(world.wanted('UpdateRecord')).toEqual([]);
    world.taint('n1');
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    expect(world.steps()).toEqual([evict]);
    world.remove(world.findPod('web-0'));
    expect(world.steps()).toEqual(['UpdateRecord Moved']);
  });

  it('it does not go where a fence is promised', () => {
    const world = moving((w) => w.remove(w.findAttachment('web-0', 'n1')), {});
    expect(world.steps()).toEqual([]);
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    expect(world.wanted('Evict')).toEqual([]);
  });

  it('the intent is withdrawn when the node is back before anything was done', () => {
    const world = moving(attachless, unsafe);
    world.back('n1');
    world.pass(20_000);
    expect(world.wanted('UpdateRecord').map(({ record }) => record.phase)).toEqual(['Released']);
  });

  it('the node is given back by the same proof', () => {
    const world = moving(attachless, unsafe);
    world.remove(world.findPod('web-0'));
    world.record('n1', ['web-0'], { phase: 'Moved' });
    world.back('n1');
    world.pass(60_000);
    expect(world.words('NodeKeptFenced', 'n1')).toEqual(['not-clean']);
  });

  it('no Event says that anything was taken away', () => {
    const world = moving(() => {}, unsafe);
    world.stage('web-0', 'n1', 'held');
    expect(world.notices('VolumeFenced')).toEqual([]);
    const [started] = world.notices('FailoverStarted');
    expect(started?.note).toContain('--unsafe-move-without-fence');
    expect(started?.note).not.toContain('taken away');
  });
});
