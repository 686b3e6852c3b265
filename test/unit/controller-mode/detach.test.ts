import { describe, expect, it } from '@jest/globals';
import { clearOutOfService } from '../../../src/controller-mode/out-of-service.ts';
import type { Wanted } from '../../../src/controller-mode/wanted.ts';
import { outOfServiceTaint, outOfServiceValue } from '../../../src/shared/names.ts';
import { createWorkQueue, offer } from '../../../src/shared/workqueue.ts';
import { otherDriver } from './views.ts';
import { World } from './world.ts';

const set = 'SetTaint node.kubernetes.io';
const clear = 'ClearTaint node.kubernetes.io';
const dropHold = 'DropHold va-web-0-n1';

/** web-0 is evicted, its volume held, and attach/detach still counts it as attached. */
function evicted(): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.record('n1', ['web-0'], { phase: 'Fenced' });
  world.mark('web-0');
  world.taint('n1');
  world.stage('web-0', 'n1', 'held');
  world.remove(world.findPod('web-0'));
  world.attachedOn('n1', 'web-0');
  return world;
}

/** The same with a second pod, db-0. */
function evictedTwo(): World {
  const world = evicted();
  world.volume('db-0');
  world.attach('db-0', 'n1');
  world.stage('db-0', 'n1', 'held');
  world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
  world.attachedOn('n1', 'web-0', 'db-0');
  expect(world.steps()).toEqual([set]);
  return world;
}

/** The same on a node whose kubelet died while the machine and its agent live on. */
function evictedFromLivingMachine(): World {
  const world = evicted();
  world.back('n1', 'agent');
  world.pass(30_000);
  world.beat('n1', { kubelet: 'dead' });
  expect(world.verdict('n1').kind).toBe('KubeletDead');
  return world;
}

function settleOne(world: World, kind: 'SetTaint' | 'ClearTaint'): void {
  const [one] = world.wanted(kind);
  if (one === undefined) throw new Error(`no ${kind} is wanted`);
  world.settle(one);
}

/** When the next attempt to take the taint off n1 is to begin. */
function wakesAt({ state, now }: World): readonly number[] {
  const wanted: Wanted = { actions: [], notices: [], wakeAt: [] };
  const node = state.nodes.get('n1');
  if (node !== undefined) clearOutOfService(node, { state, now }, wanted);
  return wanted.wakeAt;
}

/** A pod of somebody else on n1 with a volume of another driver, attached there. */
function neighbour(world: World, change: Parameters<World['pod']>[3] = {}): void {
  world.volume('files', { driver: otherDriver });
  world.attach('files', 'n1', { driver: otherDriver });
  world.pod('files-0', 'n1', ['files'], { selected: false, ...change });
}

describe('the out-of-service taint', () => {
  it('is set when all is evicted and attach/detach still counts a volume', () => {
    expect(evicted().steps()).toEqual([set]);
  });

  it('is not set for a volume that nobody counts any more: its hold goes at once', () => {
    const world = evicted();
    world.attachedOn('n1');
    expect(world.steps()).toEqual([dropHold]);
  });

  it('goes and the hold goes when attach/detach has let go', () => {
    const world = evicted();
    world.outOfService('n1');
    expect(world.steps()).toEqual([]);
    world.attachedOn('n1');
    expect(world.steps()).toEqual([clear, dropHold]);
    world.untaint('n1', outOfServiceTaint);
    expect(world.steps()).toEqual([dropHold]);
  });

  it('lets the hold of each volume go as soon as that one is let go', () => {
    const world = evicted();
    world.volume('logs');
    world.attach('logs', 'n1');
    world.stage('logs', 'n1', 'held');
    world.record('n1', ['web-0', 'logs'], { phase: 'Fenced' });
    world.attachedOn('n1', 'web-0', 'logs');
    world.outOfService('n1');
    expect(world.steps()).toEqual([]);
    world.attachedOn('n1', 'logs');
    expect(world.steps()).toEqual([dropHold]);
  });

  it('never stands longer than 5 s, and then the slow path is taken', () => {
    const world = evicted();
    world.outOfService('n1');
    const until = world.now + 5_000;
    expect(world.decide().wakeAt).toBeLessThanOrEqual(until);
    expect(world.pass(4_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([clear, dropHold]);
    world.untaint('n1', outOfServiceTaint);
    expect(world.steps()).toEqual([dropHold]);
  });

  it('is taken off after 5 s, too, if our watch never shows that we have set it', () => {
    const world = evicted();
    settleOne(world, 'SetTaint');
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 5_000);
    expect(world.pass(4_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([clear, dropHold]);
    settleOne(world, 'ClearTaint');
    expect(world.steps()).toEqual([dropHold]);
  });

  it('has its time from when it is seen, if that comes after our own word', () => {
    const world = evicted();
    settleOne(world, 'SetTaint');
    world.pass(3_000).outOfService('n1');
    expect(world.pass(4_999).steps()).toEqual([]);
    world.untaint('n1', outOfServiceTaint);
    expect(world.steps()).toEqual([dropHold]);
  });

  it('is set again after a rest of 2 s if attach/detach let go of a volume', () => {
    const world = evictedTwo();
    world.outOfService('n1');
    world.attachedOn('n1', 'db-0');
    expect(world.pass(5_000).steps()).toEqual([clear, dropHold]);
    world.untaint('n1', outOfServiceTaint);
    world.remove(world.findAttachment('web-0', 'n1'));
    // The hold of the other one is kept: it may still go the fast way.
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 2_000);
    expect(world.pass(1_999).steps()).toEqual([]);
    expect(world.pass(1).steps()).toEqual([set]);
  });

  it('is not set a third time if the second round was in vain', () => {
    const world = evictedTwo();
    world.outOfService('n1');
    world.attachedOn('n1', 'db-0');
    world.untaint('n1', outOfServiceTaint);
    world.remove(world.findAttachment('web-0', 'n1'));
    world.pass(2_000).outOfService('n1');
    expect(world.pass(5_000).steps()).toEqual([clear, 'DropHold va-db-0-n1']);
    world.untaint('n1', outOfServiceTaint);
    expect(world.pass(2_000).steps()).toEqual(['DropHold va-db-0-n1']);
  });

  it('is not set again if nothing was let go while it stood', () => {
    const world = evicted();
    world.outOfService('n1');
    world.untaint('n1', outOfServiceTaint);
    expect(world.steps()).toEqual([dropHold]);
  });

  it('is used again in the next episode', () => {
    const world = evicted();
    world.outOfService('n1');
    world.untaint('n1', outOfServiceTaint);
    world.pass(1_000).record('n1', ['web-0'], { phase: 'Fenced', epoch: '8' });
    expect(world.steps()).toEqual([set]);
  });

  it('does not wait for pods that are still to be evicted', () => {
    const world = evicted();
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.stage('db-0', 'n1', 'held');
    expect(world.steps()).toEqual(['Evict default/db-0', set]);
  });

  it('does not wait for a pod whose fence hangs', () => {
    const world = evicted();
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.stage('db-0', 'n1', 'fencing');
    expect(world.steps()).toEqual([set]);
  });

  it('stays for pods whose volumes are being taken away at this moment, 5 s at most', () => {
    const world = evicted();
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.stage('db-0', 'n1', 'fencing');
    world.outOfService('n1');
    world.attachedOn('n1', 'db-0');
    expect(world.steps()).toEqual([dropHold]);
    world.stage('db-0', 'n1', 'held');
    expect(world.steps()).toEqual([dropHold, 'Evict default/db-0']);
    world.remove(world.findPod('db-0'));
    expect(world.steps()).toEqual([dropHold]);
    expect(world.pass(5_000).steps()).toEqual([clear, 'DropHold va-db-0-n1', dropHold]);
  });

  it('is taken off by another attempt if no answer comes to the first, from its 5 s on', () => {
    const world = evicted();
    world.outOfService('n1');
    world.attachedOn('n1');
    const queue = createWorkQueue();
    const begin = (): number => offer(queue, world.wanted('ClearTaint'), world.now).start.length;
    expect(begin()).toBe(1);
    // Nothing is settled: its answer is waited for until --timeout.
    expect(wakesAt(world)).toEqual([world.now + 5_000]);
    world.pass(4_900);
    expect(begin()).toBe(0);
    world.pass(100);
    expect(begin()).toBe(1);
    expect(wakesAt(world)).toEqual([world.now + 2_000]);
    world.pass(1_900);
    expect(begin()).toBe(0);
    world.pass(100);
    expect(begin()).toBe(1);
  });

  it('is not set while a pod of the episode is deleted before its volume is taken away', () => {
    const world = evicted();
    world.workload('db-0', 'n1', { deleting: true });
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.stage('db-0', 'n1', 'fencing');
    world.attachedOn('n1', 'web-0', 'db-0');
    // PodGC would end it by force, and a replacement would come before the fence.
    expect(world.steps()).toEqual([dropHold]);
    world.outOfService('n1');
    expect(world.steps()).toEqual([clear, dropHold]);
  });

  it('stays for a pod whose fence is on its way, within its 5 s, and for no other', () => {
    const world = evicted();
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.stage('db-0', 'n1', 'fencing');
    world.outOfService('n1');
    world.attachedOn('n1', 'db-0');
    expect(world.steps()).toEqual([dropHold]);
    world.changePod('db-0', { phase: 'Succeeded' });
    expect(world.steps()).toEqual([clear, dropHold]);
    world.changePod('db-0', { phase: 'Running' });
    expect(world.pass(5_000).steps()).toEqual([clear, dropHold]);
    world.untaint('n1', outOfServiceTaint);
    world.stage('db-0', 'n1', 'held');
    expect(world.steps()).toEqual([dropHold, 'Evict default/db-0']);
  });

  it('is not set before the record says that something was fenced', () => {
    const world = evicted();
    world.record('n1', ['web-0'], { phase: 'Intent' });
    expect(world.steps()).toEqual(['UpdateRecord Fenced']);
  });

  it('is not set on a Node that is gone', () => {
    const world = evicted();
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.pass(2_000).steps()).toEqual([dropHold]);
  });

  it('of another instance does for us what ours would do', () => {
    const world = evicted();
    world.taint('n1', outOfServiceTaint, outOfServiceValue(otherDriver));
    expect(world.steps()).toEqual([]);
    world.attachedOn('n1');
    expect(world.steps()).toEqual([dropHold]);
  });
});

describe('nothing foreign is torn off', () => {
  it('nor a volume of the episode that a pod has left in order, and that is not taken away', () => {
    const world = evictedTwo();
    world.stage('db-0', 'n1', 'free');
    expect(world.wanted('SetTaint')).toEqual([]);
    world.pod('db-0', 'n1', ['db-0']);
    world.mark('db-0');
    expect(world.steps()).toContain(set);
  });

  it.each<[string, (world: World) => void]>([
    ['a foreign pod is being deleted', (w) => neighbour(w, { deleting: true })],
    [
      'a foreign pod has finished and its volume is still there',
      (w) => neighbour(w, { phase: 'Succeeded' }),
    ],
    [
      'a foreign volume is attached that nobody uses',
      (w) => {
        neighbour(w);
        w.remove(w.findPod('files-0'));
      },
    ],
    [
      'a volume of ours is attached that is no part of the episode',
      (w) => {
        w.volume('spare');
        w.attach('spare', 'n1');
      },
    ],
    [
      'an inline volume is attached',
      (w) => w.attach('inline', 'n1', { driver: otherDriver, pv: '' }),
    ],
    ['somebody else says out of service', (w) => w.taint('n1', outOfServiceTaint, 'shutdown')],
  ])('when %s, the slow path is taken', (_, change) => {
    const world = evicted();
    change(world);
    expect(world.steps()).toEqual([dropHold]);
  });

  it.each<[string, (world: World) => void]>([
    ['foreign pods that run keep their volumes', (w) => neighbour(w)],
    ['foreign pods of Jobs cannot finish there', (w) => neighbour(w, job)],
    ['foreign volumes that are leaving already', (w) => leaving(w)],
  ])('on a dead node the taint may be set: %s', (_, change) => {
    const world = evicted();
    change(world);
    expect(world.steps()).toEqual([set]);
  });

  const job = { owner: { kind: 'Job', name: 'j', uid: 'u' }, restartPolicy: 'OnFailure' };

  function leaving(world: World): void {
    neighbour(world);
    world.remove(world.findPod('files-0'));
    world.stage('files', 'n1', 'leaving');
  }

  it.each<[string, Parameters<World['pod']>[3]]>([
    ['of a Job', { owner: job.owner, restartPolicy: 'Always' }],
    ['that is not restarted', { restartPolicy: 'Never' }],
    ['that is restarted after a failure only', { restartPolicy: 'OnFailure' }],
  ])('on a machine that lives, a foreign pod %s forbids it', (_, change) => {
    const world = evictedFromLivingMachine();
    neighbour(world);
    expect(world.steps()).toEqual([set]);
    world.changePod('files-0', change ?? {});
    expect(world.steps()).toEqual([dropHold]);
  });

  it.each<[string, (world: World) => void]>([
    ['a foreign pod is deleted', (w) => w.changePod('files-0', { deleting: true })],
    ['a foreign pod ends', (w) => w.changePod('files-0', { phase: 'Failed' })],
    ['a foreign pod is gone', (w) => w.remove(w.findPod('files-0'))],
    ['another volume is attached', (w) => w.attach('inline', 'n1', { pv: '' })],
  ])('the taint goes at once when %s', (_, change) => {
    const world = evicted();
    neighbour(world);
    world.outOfService('n1');
    expect(world.steps()).toEqual([]);
    change(world);
    expect(world.steps()).toEqual([clear, dropHold]);
  });
});
