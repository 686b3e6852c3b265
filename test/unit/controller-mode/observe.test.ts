import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { action } from '../../../src/controller-mode/actions.ts';
import { volumesOf } from '../../../src/controller-mode/claimed-volume.ts';
import { observe } from '../../../src/controller-mode/observe.ts';
import { initialState, type State } from '../../../src/controller-mode/state.ts';
import {
  keyOf,
  type ObjectView,
  type PodView,
  uniqueVolumeName,
  type View,
} from '../../../src/shared/model.ts';
import { holdFinalizer, intentAnnotation } from '../../../src/shared/names.ts';
import type { WatchFact } from '../../../src/shared/watch-fact.ts';
import {
  attachmentView,
  driver,
  epoch,
  finalizersOf,
  namespace,
  otherDriver,
  podView,
  policy,
  pvView,
} from './views.ts';
import { World } from './world.ts';

/** All that can be looked up, made anew from the plain collections. */
function recomputed(state: State) {
  const byNode = new Map<string, Map<string, View>>();
  const byClaim = new Map<string, Map<string, View>>();
  const marked = new Map<string, View>();
  const attachments = new Map<string, Map<string, View>>();
  const volumes = new Map<string, Map<string, View>>();
  const put = <V>(index: Map<string, Map<string, V>>, by: string, key: string, view: V): void => {
    index.set(by, (index.get(by) ?? new Map<string, V>()).set(key, view));
  };
  for (const [key, pod] of state.pods) {
    if (pod.nodeName !== '') put(byNode, pod.nodeName, key, pod);
    if (pod.annotations[intentAnnotation(driver)] !== undefined) marked.set(key, pod);
    for (const volume of pod.volumes) {
      if (volume.kind === 'claim') put(byClaim, `${pod.namespace}/${volume.claim}`, key, pod);
    }
  }
  const holds = new Map<string, Map<string, View>>();
  for (const [key, view] of state.attachments) {
    put(attachments, view.nodeName, key, view);
    if (view.finalizers.includes(holdFinalizer)) put(holds, view.nodeName, key, view);
  }
  for (const [key, pv] of state.pvs) {
    if (pv.handle !== '') put(volumes, uniqueVolumeName(pv.driver, pv.handle), key, pv);
  }
  const claims = new Map<string, Map<string, View>>();
  for (const [key, claim] of state.claims) if (claim.pv !== '') put(claims, claim.pv, key, claim);
  return { byNode, byClaim, marked, attachments, holds, claims, volumes };
}

function indices(state: State) {
  return {
    byNode: state.podsByNode,
    byClaim: state.podsByClaim,
    marked: state.markedPods,
    attachments: state.attachmentsByNode,
    holds: state.holdsByNode,
    claims: state.claimsByPv,
    volumes: state.pvsByVolume,
  };
}

const few = (...names: readonly string[]) => fc.constantFrom(...names);
const object = (namespace: string) =>
  fc.record({
    namespace: fc.constant(namespace),
    name: few('a', 'b', 'c'),
    uid: few('u1', 'u2'),
    resourceVersion: fc.constant('1'),
  });

const pods = fc
  .tuple(object('default'), few('', 'n1', 'n2'), fc.subarray(['a', 'b']), fc.boolean())
  .map(([view, nodeName, claims, marked]): PodView => {
    const volumes = claims.map(
      (claim) => ({ kind: 'claim', name: claim, claim, readOnly: false }) as const,
    );
    const annotations = marked ? { [intentAnnotation(driver)]: '{}' } : {};
    return podView(view, { nodeName, volumes, annotations });
  });
const attachments = fc
  .tuple(object(''), few('n1', 'n2'), few('free', 'held'))
  .map(([view, nodeName, stage]) => {
    const finalizers = finalizersOf(stage === 'held' ? 'held' : 'free');
    return attachmentView(view, { nodeName, finalizers });
  });
const claims = fc
  .tuple(object('default'), few('', 'pv-1', 'pv-2'))
  .map(([view, pv]) => ({ ...view, kind: 'claim' as const, pv }));
const pvs = fc
  .tuple(
    few('pv-1', 'pv-2'),
    few(driver, otherDriver),
    few('', 'h1', 'h2'),
    few('a', 'b'),
    few('u1', 'u2'),
  )
  .map(([name, by, handle, claimName, claimUid]) => {
    const view = { namespace: '', name, uid: `${by}${handle}`, resourceVersion: '1' };
    return pvView(view, { driver: by, handle, claimName, claimUid });
  });

function facts(source: string, views: fc.Arbitrary<View>): fc.Arbitrary<WatchFact> {
  return fc.oneof(
    views.map((view): WatchFact => ({ kind: 'Upserted', source, object: view })),
    views.map(({ namespace, name, uid }: ObjectView): WatchFact => {
      return { kind: 'Removed', source, namespace, name, uid };
    }),
    fc.array(views, { maxLength: 4 }).map((objects): WatchFact => {
      return { kind: 'Replaced', source, objects };
    }),
  );
}

describe('what is looked up', () => {
  it('is at every moment what the collections say, without a trace of what is gone', () => {
    const history = fc.array(
      fc.oneof(
        facts('pods', pods),
        facts('attachments', attachments),
        facts('claims', claims),
        facts('pvs', pvs),
      ),
      { maxLength: 30 },
    );
    const run = fc.property(history, (steps) => {
      const state = initialState(policy, 0);
      const plain = new Map<string, View>();
      for (const [at, fact] of steps.entries()) {
        observe(state, fact, at);
        follow(plain, fact);
        expect(indices(state)).toEqual(recomputed(state));
        // Asked in every step, so that whatever a step does not forget is an old answer.
        const unasked = { ...state, podVolumes: new Map() };
        for (const pod of state.pods.values()) {
          expect(volumesOf(state, pod)).toEqual(volumesOf(unasked, pod));
        }
        expect(new Set(state.podVolumes.keys())).toEqual(new Set(state.pods.values()));
      }
      const all = [
        ...[...state.pods.values()].map((view) => `pods/${keyOf(view)}/${view.uid}`),
        ...[...state.attachments.values()].map((view) => `attachments/${view.name}/${view.uid}`),
        ...[...state.claims.values()].map((view) => `claims/${keyOf(view)}/${view.uid}`),
        ...[...state.pvs.values()].map((view) => `pvs/${view.name}/${view.uid}`),
      ];
      expect(all.sort()).toEqual([...plain].map(([key, view]) => `${key}/${view.uid}`).sort());
    });
    fc.assert(run, { numRuns: 500 });
  });

  /** The same in the simplest words. */
  function follow(plain: Map<string, View>, fact: WatchFact): void {
    const { source } = fact;
    if (fact.kind === 'Upserted') plain.set(`${source}/${keyOf(fact.object)}`, fact.object);
    if (fact.kind === 'Removed') {
      const key = `${source}/${keyOf(fact)}`;
      if (plain.get(key)?.uid === fact.uid) plain.delete(key);
    }
    if (fact.kind !== 'Replaced') return;
    for (const key of plain.keys()) if (key.startsWith(`${source}/`)) plain.delete(key);
    for (const view of fact.objects) plain.set(`${source}/${keyOf(view)}`, view);
  }

  it('is not touched by a source that nobody knows', () => {
    const state = initialState(policy, 0);
    observe(state, { kind: 'WatchLost', source: 'secrets', reason: '' }, 1);
    expect(Object.keys(state.sources)).not.toContain('secrets');
    expect(Object.values(state.sources).every(({ lost }) => !lost)).toBe(true);
  });
});

describe('the record on a Lease', () => {
  it('is remembered from the moment at which its epoch was seen', () => {
    const world = World.healthy();
    const memory = () => world.state.memory.get('n1');
    world.record('n1', ['web-0']);
    const seenAt = world.now;
    world.pass(5_000);
    world.record('n1', ['web-0', 'logs'], { phase: 'Fenced' });
    expect(memory()).toMatchObject({ recordSeenAt: seenAt, recordEpoch: epoch });
    world.record('n1', ['web-0'], { epoch: '8' });
    expect(memory()).toMatchObject({ recordSeenAt: world.now, recordEpoch: '8' });
    world.noRecord('n1');
    expect(memory()?.recordEpoch).toBe('');
  });

  it('is gone with the heartbeat Lease, not with that of the kubelet', () => {
    const world = World.healthy();
    world.record('n1', ['web-0']);
    const kubelet = world.state.kubeletLeases.get('kube-node-lease/n1')?.view;
    if (kubelet !== undefined) world.remove(kubelet, 'kubeletLeases');
    expect(world.state.memory.get('n1')?.recordEpoch).toBe(epoch);
    world.remove(world.heartbeat('n1'), 'heartbeats');
    expect(world.state.memory.get('n1')?.recordEpoch).toBe('');
  });

  it('names its node where no agent ever did', () => {
    const world = World.healthy();
    world.changeHeartbeat('n1', { uid: 'uid-of-ours', holder: '' });
    world.record('n1', ['web-0']);
    expect(world.state.memory.get('n1')).toMatchObject({
      recordEpoch: epoch,
      recordSeenAt: world.now,
    });
  });

  it('gives way to the agent that holds the Lease', () => {
    const world = World.healthy();
    world.changeHeartbeat('n1', { holder: '' });
    world.changeHeartbeat('n1', { holder: 'n1/the-next-boot' });
    expect(world.state.memory.get('n1')?.bootId).toBe('the-next-boot');
  });

  it('of another name is not believed', () => {
    const world = World.healthy();
    world.changeHeartbeat('n1', { holder: '' });
    world.record('n1', ['web-0'], { episode: `n2.${epoch}` });
    expect(world.state.memory.get('n1')?.recordEpoch).toBe('');
    expect(world.state.memory.get('n2')?.recordEpoch).toBe('');
  });

  const volumes = [{ handle: 'h', nodeId: 'n', uid: 'uid' }];

  it('forgets with the epoch what belongs to it', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.record('n1', ['web-0']);
    const memory = world.state.memory.get('n1');
    const uids = ['uid'];
    const verify = { node: 'n1', epoch, knownNodeIds: new Set<string>(), volumes };
    world.settle(action('VerifyRevoked', '', verify));
    expect(memory?.revoked).toEqual(new Set(uids));
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    expect(memory?.revoked).toEqual(new Set(uids));
    world.record('n1', ['web-0'], { epoch: '8' });
    expect(memory?.revoked).toEqual(new Set());
  });

  it('learns nothing from an action that was not done', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.record('n1', ['web-0']);
    const memory = world.state.memory.get('n1');
    const fields = { node: 'n1', epoch, knownNodeIds: new Set<string>(), volumes };
    const verify = action('VerifyRevoked', '', fields);
    world.settle(verify, { kind: 'Unknown', code: 'UNAVAILABLE', detail: '' });
    world.settle(verify, { kind: 'Failed', code: 'STILL_PUBLISHED', detail: '' });
    expect(memory?.revoked).toEqual(new Set());
    const [mark] = world.lose('n1').wanted('MarkPod');
    if (mark === undefined) throw new Error('nobody is to be marked');
    world.settle(mark, { kind: 'Unknown', code: 'NO_ANSWER', detail: '' });
    expect(memory?.joined.size).toBe(0);
    world.settle(mark);
    expect(memory?.joined.size).toBe(1);
  });

  it('knows the boot id of the machine that renews now', () => {
    const world = World.healthy();
    const memory = world.state.memory.get('n1');
    expect(memory?.bootId).toBe('boot-n1');
    world.changeHeartbeat('n1', { holder: 'n1/boot-b', renewTime: world.version() });
    expect(memory?.bootId).toBe('boot-b');
    expect(memory?.pastBootIds).toEqual(new Set(['boot-n1']));
    expect(memory?.duplicateSeenAt).toBeUndefined();
  });

  it('without a holder changes nothing of what is known of the boot id', () => {
    const world = World.healthy();
    for (const holder of ['', 'n1/boot-n1', '', 'n1/boot-n1']) {
      world.changeHeartbeat('n1', { holder, renewTime: world.version() });
    }
    expect(world.state.memory.get('n1')?.duplicateSeenAt).toBeUndefined();
  });
});

describe('memory', () => {
  it('of a node ends with the last of it, unless an episode stands', () => {
    const world = World.healthy();
    world.record('n2', ['x']);
    for (const name of ['n1', 'n2']) {
      for (const view of [world.state.nodes.get(name), world.state.csinodes.get(name)]) {
        if (view !== undefined) world.remove(view);
      }
    }
    expect(world.state.memory.has('n1')).toBe(false);
    expect(world.state.memory.has('n2')).toBe(true);
    expect(world.steps()).toContain('UpdateRecord Released');
  });

  it('of a node goes on while its CSINode is there', () => {
    const world = World.healthy();
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.state.memory.has('n1')).toBe(true);
  });

  it('of a refused eviction ends with the pod', () => {
    const world = World.healthy();
    const { uid } = world.workload('web-0', 'n1');
    const pod = { namespace: 'default', name: 'web-0', uid };
    const heartbeat = { namespace, name: '', resourceVersion: '' };
    const rest = { heartbeat, epoch, holds: [], nodeIds: [] };
    const evict = action('Evict', uid, { node: 'n1', pod, ...rest });
    world.settle(evict, { kind: 'Failed', code: 'HTTP_403', detail: '' });
    expect(world.state.refusals.size).toBe(1);
    world.remove(world.findPod('web-0'));
    expect(world.state.refusals.size).toBe(0);
    world.settle(evict, { kind: 'Failed', code: 'HTTP_404', detail: '' });
    expect(world.state.refusals.size).toBe(0);
  });
});

describe('our own renewals', () => {
  it('are missing from the first that the watch did not show', () => {
    const world = World.healthy();
    const lead = (renewal: string) => world.see({ kind: 'Leadership', leading: true, renewal });
    lead('2000');
    const at = world.now;
    world.pass(1_000);
    lead('2001');
    expect(world.state.pendingRenewal).toEqual({ resourceVersion: 2000, at });
    world.leader({ resourceVersion: '1999' });
    expect(world.state.pendingRenewal).toBeDefined();
    world.leader({ resourceVersion: '2000' });
    expect(world.state.pendingRenewal).toBeUndefined();
    lead('not a number');
    expect(world.state.pendingRenewal).toBeUndefined();
    lead('3000');
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    expect(world.state.pendingRenewal).toBeUndefined();
  });

  it('start the time of leading once', () => {
    const world = World.healthy();
    const since = world.state.leadingSince;
    world.pass(5_000);
    world.see({ kind: 'Leadership', leading: true, renewal: '2000' });
    expect(world.state.leadingSince).toBe(since);
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    world.see({ kind: 'Leadership', leading: true, renewal: '2001' });
    expect(world.state.leadingSince).toBe(world.now);
  });
});
