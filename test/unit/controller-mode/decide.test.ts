import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Action } from '../../../src/controller-mode/actions.ts';
import { decide } from '../../../src/controller-mode/decide.ts';
import { staleView } from '../../../src/controller-mode/freshness.ts';
import type { Decision } from '../../../src/shared/mode.ts';
import { keyOf } from '../../../src/shared/model.ts';
import { fencedTaint, holdFinalizer, outOfServiceTaint } from '../../../src/shared/names.ts';
import type { FenceRecord, NodeReport } from '../../../src/shared/record.ts';
import { driver, type Stage } from './views.ts';
import { World } from './world.ts';

/** One thing that happens to the cluster of these properties: node n1 with pods a, b and c. */
type Change = (world: World) => void;

const volume = fc.constantFrom('a', 'b', 'shared');
const pod = fc.constantFrom('a', 'b', 'c');
const seconds = fc.integer({ min: 0, max: 25 });

const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: seconds.map((s) => (w: World) => void w.pass(s * 1_000)) },
  { weight: 3, arbitrary: fc.constant<Change>((w) => void w.silent('n1')) },
  part((one) => (w) => void w.silent('n1', one)),
  part((one) => (w) => void w.back('n1', one)),
  fc.tuple(volume, stage()).map(([name, to]) => (w: World) => {
    if (w.state.attachments.has(`va-${name}-n1`)) w.stage(name, 'n1', to);
  }),
  volume.map((name) => (w: World) => {
    const attachment = w.state.attachments.get(`va-${name}-n1`);
    if (attachment === undefined) w.attach(name, 'n1');
    else w.remove(attachment);
  }),
  phases().map((phase) => (w: World) => void w.record('n1', ['a', 'b', 'shared'], { phase })),
  phases().map((phase) => (w: World) => void w.record('n1', ['a'], { phase, epoch: '8' })),
  fc.constant<Change>((w) => w.noRecord('n1')),
  pod.map((name) => (w: World) => {
    if (w.state.pods.has(`default/${name}`)) w.mark(name);
  }),
  fc.tuple(pod, fc.constantFrom('gone', 'Failed', 'deleting', 'moved', 'unlabelled')).map(
    ([name, what]) =>
      (w: World) =>
        changePod(w, name, what),
  ),
  fc.constantFrom(fencedTaint(driver), outOfServiceTaint).map((key) => (w: World) => {
    if (!w.state.nodes.has('n1')) return;
    const standing = w.state.nodes.get('n1')?.taints.some((taint) => taint.key === key);
    if (standing === true) w.untaint('n1', key);
    else if (key === outOfServiceTaint) w.outOfService('n1');
    else w.taint('n1', key);
  }),
  fc.constantFrom('True', 'False', 'Unknown').map((ready) => (w: World) => {
    if (w.state.nodes.has('n1')) w.changeNode('n1', { ready: ready as 'True' });
  }),
  fc.constantFrom<NodeReport['driver']>('ok', 'silent', 'stopping').map((word) => (w: World) => {
    w.beat('n1', { driver: word, kubelet: 'dead' });
  }),
  fc.boolean().map((paused) => (w: World) => w.configMap({ paused: String(paused) })),
  fc.boolean().map((lists) => (w: World) => {
    const capabilities = {
      publishUnpublish: true,
      listsPublishedNodes: lists,
      health: 'none' as const,
    };
    w.see({ kind: 'Driver', capabilities });
  }),
  fc.boolean().map((leading) => (w: World) => {
    w.see({ kind: 'Leadership', leading, renewal: '' });
  }),
  fc.constant<Change>((w) => w.see({ kind: 'Suspended', gapMs: 1_000 })),
  fc.constant<Change>((w) => w.see({ kind: 'WatchLost', source: 'pods', reason: '' })),
  fc.constant<Change>((w) => w.see({ kind: 'WatchResumed', source: 'pods' })),
  fc.constant<Change>((w) => {
    const node = w.state.nodes.get('n1');
    if (node !== undefined) w.remove(node);
  }),
  fc.subarray(['a', 'b', 'shared']).map((names) => (w: World) => {
    if (w.state.nodes.has('n1')) w.attachedOn('n1', ...names);
  }),
);

function part(change: (one: 'agent' | 'kubelet') => Change): fc.Arbitrary<Change> {
  return fc.constantFrom<'agent' | 'kubelet'>('agent', 'kubelet').map(change);
}

function stage(): fc.Arbitrary<Stage> {
  return fc.constantFrom('free', 'bare', 'leaving', 'begun', 'fencing', 'held', 'held');
}

function phases(): fc.Arbitrary<FenceRecord['phase']> {
  return fc.constantFrom('Intent', 'Fenced', 'Moved', 'Released');
}

function changePod(world: World, name: string, what: string): void {
  const standing = world.state.pods.get(`default/${name}`);
  if (standing === undefined) world.pod(name, 'n1', [name === 'c' ? 'shared' : name]);
  else if (what === 'gone') world.remove(standing);
  else if (what === 'Failed') world.changePod(name, { phase: 'Failed' });
  else if (what === 'deleting') world.changePod(name, { deleting: true });
  else if (what === 'moved') world.changePod(name, { nodeName: 'n2' });
  else world.changePod(name, { selected: !standing.selected });
}

/** a has a volume of its own, b and c share one, and all are on n1. */
function start(): World {
  const world = World.healthy(3);
  for (const name of ['a', 'b', 'shared']) {
    world.volume(name);
    world.attach(name, 'n1');
  }
  world.pod('a', 'n1', ['a']);
  world.pod('b', 'n1', ['b', 'shared']);
  world.pod('c', 'n1', ['shared']);
  return world;
}

const histories = fc.array(changes, { minLength: 1, maxLength: 14 });

/** Checks every decision along random histories. */
function always(check: (world: World, decision: Decision<Action>) => void): void {
  const run = fc.property(histories, (steps) => {
    const world = start();
    for (const step of steps) {
      step(world);
      check(world, world.decide());
    }
  });
  fc.assert(run, { numRuns: 200 });
}

describe('in every situation', () => {
  it('a decision follows from state and time alone', () => {
    always((world, decision) => expect(world.decide()).toEqual(decision));
  });

  it('every action has a key of its own', () => {
    always((_, { actions }) => {
      const keys = actions.map(({ key }) => key);
      expect(keys).toEqual([...new Set(keys)]);
    });
  });

  it('silence alone changes nothing before the decision wakes up', () => {
    always((world, decision) => {
      const wakeAt = decision.wakeAt ?? world.now + 600_000;
      expect(wakeAt).toBeGreaterThan(world.now);
      const { actions, notices } = decision;
      for (const share of [0.01, 0.5, 0.99]) {
        const later = decide(world.state, world.now + (wakeAt - world.now) * share);
        expect({ actions: later.actions, notices: later.notices }).toEqual({ actions, notices });
      }
    });
  });

  it('whoever does not lead wants nothing, and nobody who cannot see begins or goes on', () => {
    always((world, { actions }) => {
      if (!world.state.leading) expect(actions).toEqual([]);
      if (staleView(world.state, world.now) === undefined) return;
      for (const action of actions) {
        expect(action).toMatchObject({ kind: 'ClearTaint', taint: { key: outOfServiceTaint } });
      }
    });
  });

  it('no pod is evicted before all of its volumes are held', () => {
    always((world, { actions }) => {
      for (const action of actions) {
        if (action.kind !== 'Evict') continue;
        const view = world.state.pods.get(keyOf(action.pod));
        expect(view?.uid).toBe(action.pod.uid);
        if (view === undefined || view.phase === 'Failed') continue;
        for (const claimed of view.volumes) {
          if (claimed.kind !== 'claim') continue;
          const { deleting, finalizers } = world.findAttachment(claimed.claim, 'n1');
          expect({ deleting, finalizers }).toEqual({ deleting: true, finalizers: [holdFinalizer] });
        }
      }
    });
  });

  it('no volume is taken away without our taint, or from a pod that does not come along', () => {
    always((world, { actions }) => {
      for (const action of actions) {
        if (action.kind !== 'Hold') continue;
        const view = world.state.attachments.get(action.attachment.name);
        if (view === undefined || view.finalizers.includes(holdFinalizer)) continue;
        const taints = world.state.nodes.get('n1')?.taints;
        if (taints !== undefined) {
          expect(taints.map(({ key }) => key)).toContain(fencedTaint(driver));
        }
        for (const user of usersOf(world, view.pv)) {
          expect(Object.keys(user.annotations)).toContain(`intent.csi-failover.io/${driver}`);
          expect(user.selected).toBe(true);
        }
      }
    });
  });

  it('no hold is dropped while a pod of the node uses the volume, or before the record', () => {
    always((world, { actions }) => {
      for (const action of actions) {
        if (action.kind !== 'DropHold') continue;
        const view = world.state.attachments.get(action.attachment.name);
        expect(view?.finalizers).toEqual([holdFinalizer]);
        expect(usersOf(world, view?.pv ?? '')).toEqual([]);
        expect(['Fenced', 'Moved']).toContain(recordOf(world)?.phase);
      }
    });
  });

  it('no record is closed or removed beside anything else', () => {
    always((_, { actions }) => {
      for (const action of actions) {
        const closes = action.kind === 'UpdateRecord' && action.record.phase === 'Released';
        if (closes || action.kind === 'RemoveRecord') expect(action.exclusive).toBe(true);
      }
    });
  });

  it('a record is removed only after it was released, and when no taint of ours is left', () => {
    always((world, { actions }) => {
      if (!actions.some(({ kind }) => kind === 'RemoveRecord')) return;
      expect(recordOf(world)?.phase).toBe('Released');
      const keys = world.state.nodes.get('n1')?.taints.map(({ key }) => key) ?? [];
      expect(keys).not.toContain(fencedTaint(driver));
      expect(keys).not.toContain(outOfServiceTaint);
    });
  });
});

function usersOf(world: World, pv: string) {
  return [...world.state.pods.values()].filter(
    ({ nodeName, phase, volumes }) =>
      nodeName === 'n1' &&
      phase !== 'Failed' &&
      volumes.some((claimed) => claimed.kind === 'claim' && `pv-${claimed.claim}` === pv),
  );
}

function recordOf(world: World): FenceRecord | undefined {
  return world.state.heartbeats.get(world.heartbeatKey('n1'))?.record;
}
