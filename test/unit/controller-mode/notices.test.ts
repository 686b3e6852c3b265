import { describe, expect, it } from '@jest/globals';
import type { NodeView } from '../../../src/shared/model.ts';
import { policyAnnotation } from '../../../src/shared/names.ts';
import { failed } from '../../../src/shared/outcome.ts';
import { running } from './running.ts';
import { World } from './world.ts';

const claim = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'web-0' };
const node = { kind: 'Node', namespace: '', name: 'n1' };

/** The old pod and its attachment are gone; the new pod waits for a node or runs on one. */
function replaced(nodeName: string): World {
  const world = running('held', 'Fenced');
  world.remove(world.findPod('web-0'));
  world.remove(world.findAttachment('web-0', 'n1'));
  world.pod('web-0', nodeName, ['web-0'], { phase: 'Pending' });
  return world;
}

describe('what people read of an episode', () => {
  it('begins on the pod and on its claims, quoting node and epoch', () => {
    const world = running('free', 'Intent');
    const started = world.notices('FailoverStarted');
    const { uid } = world.findPod('web-0');
    expect(started.map(({ about }) => about)).toMatchObject([{ kind: 'Pod', uid }, claim]);
    expect(started[0]?.note).toContain('n1');
    expect(started[0]?.key).toContain('7');
  });

  it('says when a volume is fenced, and not before', () => {
    const world = running('fencing', 'Fenced');
    expect(world.notices('VolumeFenced')).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.notices('VolumeFenced')).toMatchObject([{ about: claim, type: 'Normal' }]);
  });

  it.each<readonly [string, (world: World) => void]>([
    [
      'has another uid than its PV knows',
      (w) => void w.volume('web-0', { claimUid: 'of another' }),
    ],
    [
      'names another PV',
      (w) => {
        const bound = w.state.claims.get('default/web-0');
        if (bound !== undefined) w.put({ ...bound, pv: 'pv-of-another' });
      },
    ],
    ['is gone', (w) => w.remove(w.state.claims.get('default/web-0') ?? w.findPod('web-0'))],
  ])('says nothing to a claim that %s', (_, change) => {
    const reasons = ['FailoverStarted', 'VolumeFenced', 'FailoverWaiting'];
    const world = running('held', 'Fenced');
    world.pass(20_000);
    const told = () =>
      reasons.flatMap((reason) =>
        world.notices(reason).filter(({ about }) => about.kind === 'PersistentVolumeClaim'),
      );
    expect(new Set(told().map(({ reason }) => reason))).toEqual(new Set(reasons));
    change(world);
    expect(told()).toEqual([]);
  });

  it('says who still uses a volume that cannot be detached', () => {
    const world = running('held', 'Fenced');
    world.pass(19_000);
    expect(world.notices('FailoverWaiting')).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 1_000);
    world.pass(1_000);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['detach-stalled']);
    expect(world.notices('FailoverWaiting')[0]?.note).toContain('pod default/web-0');
    world.remove(world.findPod('web-0'));
    expect(world.notices('FailoverWaiting')[0]?.note).toContain('va-web-0-n1');
  });

  it.each(['begun', 'fencing'] as const)('says on the claim that a fence is %s', (stage) => {
    const world = running(stage, 'Fenced');
    world.pass(20_000);
    const onClaim = () =>
      world.notices('FailoverWaiting').filter(({ about }) => about.kind !== 'Pod');
    // As long as a pod waits for it, that tells.
    expect(onClaim()).toEqual([]);
    world.remove(world.findPod('web-0'));
    expect(onClaim()).toMatchObject([{ word: 'fence-unconfirmed' }]);
    world.stage('web-0', 'n1', 'held');
    expect(onClaim()).toMatchObject([{ word: 'detach-stalled' }]);
  });

  it('ends on the replacement and on its claims', () => {
    const world = replaced('n2');
    const { uid } = world.findPod('web-0');
    const completed = world.notices('FailoverCompleted');
    expect(completed.map(({ about }) => about)).toMatchObject([{ kind: 'Pod', uid }, claim]);
    expect(completed[0]?.note).toContain('n2');
  });

  it('says so when nothing places the replacement', () => {
    const world = replaced('');
    world.pass(59_000);
    expect(world.notices('FailoverWaiting')).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 1_000);
    world.pass(1_000);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['not-rescheduled']);
    world.changePod('web-0', { nodeName: 'n2' });
    expect(world.notices('FailoverWaiting')).toEqual([]);
  });

  it('is told of a replacement that runs already when the record grows', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.workload('db-0', 'n1');
    world.pod('reader', 'n2', ['db-0']);
    world.lose('n1');
    world.record('n1', ['web-0']);
    world.pod('next', 'n2', ['web-0']);
    world.record('n1', ['web-0', 'db-0']);
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    for (const name of ['web-0', 'db-0']) {
      world.remove(world.findPod(name));
      world.remove(world.findAttachment(name, 'n1'));
    }
    expect(world.words('FailoverCompleted', 'next')).not.toEqual([]);
    expect(world.words('FailoverCompleted', 'reader')).toEqual([]);
  });

  it('calls nobody moved who ran elsewhere before', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.pod('reader', 'n2', ['web-0']);
    world.pod('early', '', ['web-0'], { phase: 'Pending' });
    world.lose('n1');
    world.record('n1', ['web-0']);
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.notices('FailoverCompleted')).toEqual([]);
    world.pod('web-0', 'n3', ['web-0']);
    world.changePod('early', { nodeName: 'n3' });
    expect(world.words('FailoverCompleted', 'web-0')).not.toEqual([]);
    expect(world.words('FailoverCompleted', 'early')).not.toEqual([]);
    expect(world.words('FailoverCompleted', 'reader')).toEqual([]);
  });

  it('calls those moved again who are moved once more', () => {
    const world = World.healthy();
    world.record('n1', ['web-0'], { phase: 'Moved', epoch: '6' });
    world.noRecord('n1');
    world.pass(700_000).workload('web-0', 'n1');
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    world.pod('web-0', 'n2', ['web-0']);
    expect(world.notices('FailoverCompleted')).not.toEqual([]);
  });

  it('calls nobody moved whom it finds long after', () => {
    const world = replaced('n2');
    world.record('n1', ['web-0'], { phase: 'Moved' });
    expect(world.notices('FailoverCompleted')).not.toEqual([]);
    world.pass(600_000);
    expect(world.notices('FailoverCompleted')).toEqual([]);
    const later = World.healthy();
    later.volume('web-0');
    later.pod('web-0', 'n2', ['web-0']);
    later.lose('n1').record('n1', ['web-0'], { phase: 'Moved' });
    expect(later.notices('FailoverCompleted')).toEqual([]);
  });

  it('stands on the node while the taint does', () => {
    const world = running('held', 'Fenced');
    expect(world.notices('NodeFenced')).toMatchObject([{ about: node }]);
    world.untaint('n1');
    expect(world.notices('NodeFenced')).toEqual([]);
  });

  it.each([
    ['withdrawn', 'FailoverWithdrawn'],
    ['Lost: node-silent', 'NodeReleased'],
  ])('ends on the node: %s is %s', (reason, notice) => {
    const world = running('free', 'Fenced');
    world.record('n1', ['web-0'], { phase: 'Released', reason });
    expect(world.notices(notice)).toEqual([]);
    world.untaint('n1');
    expect(world.notices(notice)).toMatchObject([{ about: node, type: 'Normal' }]);
    expect(world.notices('FailoverStarted')).toEqual([]);
  });

  it('says that the node is still tainted, where the API refuses to have that changed', () => {
    const world = running('free', 'Fenced');
    world.record('n1', ['web-0'], { phase: 'Released' });
    const [wanted] = world.wanted('ClearTaint');
    if (wanted === undefined) throw new Error('the taint stays');
    expect(world.words('NodeKeptFenced', 'n1')).toEqual([]);
    world.settle(wanted, failed('HTTP_403', 'no'));
    expect(world.words('NodeKeptFenced', 'n1')).toEqual(['taint-refused']);
    expect(world.notices('NodeReleased')).toEqual([]);
  });
});

describe('what people read of a verdict', () => {
  it('stands on the node that is Lost, by one key over the whole episode', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.lose('n1');
    const [before] = world.notices('NodeLost');
    expect(before?.about).toMatchObject(node);
    const { resourceVersion } = world.heartbeat('n1');
    world.record('n1', ['web-0'], { epoch: resourceVersion });
    world.record('n1', ['web-0'], { epoch: resourceVersion, phase: 'Fenced' });
    expect(world.notices('NodeLost').map(({ key }) => key)).toEqual([before?.key]);
  });

  it('tells one failure from the next', () => {
    const world = World.healthy();
    world.lose('n1');
    const [first] = world.notices('NodeLost');
    world.back('n1').pass(30_000);
    world.lose('n1');
    expect(world.notices('NodeLost')[0]?.key).not.toBe(first?.key);
  });

  it('waits a while before it calls an agent down', () => {
    const world = World.healthy();
    world.silent('n1', 'agent').pass(29_000);
    expect(world.notices('NodeAgentDown')).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 2_000);
    world.pass(3_000);
    expect(world.notices('NodeAgentDown')).toMatchObject([{ about: node, type: 'Warning' }]);
  });

  it('tells of a living node that has not been ready for a while, and does nothing else', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.changeNode('n1', { ready: 'False' });
    world.pass(29_000);
    expect(world.notices('NodeNotReady')).toEqual([]);
    world.pass(1_000);
    const [first, ...more] = world.notices('NodeNotReady');
    expect(more).toEqual([]);
    expect(first).toMatchObject({ about: node, type: 'Warning', word: 'Ready=False' });
    expect(world.decide().actions).toEqual([]);
    // Whatever else of the Node changes, it is the same occurrence.
    world.changeNode('n1', { labels: { zone: 'b' } });
    expect(world.notices('NodeNotReady')).toEqual([first]);
    world.changeNode('n1', { ready: 'True' });
    expect(world.notices('NodeNotReady')).toEqual([]);
    world.pass(5_000).changeNode('n1', { ready: 'False' });
    const [second] = world.pass(30_000).notices('NodeNotReady');
    expect(second?.key).toBe(first?.key);
    expect(second?.again).not.toBe(first?.again);
  });

  it('leaves a node that is silent to its verdict, ready or not', () => {
    const world = World.healthy();
    world.changeNode('n1', { ready: 'False' });
    world.silent('n1', 'agent').pass(60_000);
    expect(world.verdict('n1').kind).toBe('AgentDown');
    expect(world.notices('NodeNotReady')).toEqual([]);
  });

  it('says nothing of nodes that are well, suspect or unknown', () => {
    const world = World.healthy();
    world.silent('n1', 'agent').pass(6_000);
    expect(world.verdict('n1').kind).toBe('Suspect');
    expect(world.decide().notices).toEqual([]);
  });
});

describe('a labelled pod on a Lost node', () => {
  it('that has nothing to fence is named as well', () => {
    const world = World.healthy();
    world.pod('plain', 'n1', []);
    world.pod('theirs', 'n1', [], { selected: false });
    world.pod('over', 'n1', [], { phase: 'Succeeded' });
    world.pod('static', 'n1', [], { mirror: true });
    world.lose('n1');
    expect(world.words('FailoverHeld', 'plain')).toEqual(['not-movable']);
    const notes = world.notices('FailoverHeld').map(({ note }) => note);
    expect(notes.filter((note) => note.includes('it has no volume of driver'))).toHaveLength(1);
    expect(notes.filter((note) => note.includes('it is a static pod'))).toHaveLength(1);
    expect(world.words('FailoverHeld', 'theirs')).toEqual([]);
    expect(world.words('FailoverHeld', 'over')).toEqual([]);
    expect(world.wanted('BeginEpisode')).toEqual([]);
  });
});

describe('a node whose agent goes on', () => {
  it('that was deleted names a pod that stays once, not at every heartbeat', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1', { annotations: { [policyAnnotation]: 'retain' } });
    world.remove(world.state.nodes.get('n1') as NodeView);
    const keys = (): readonly string[] => world.notices('FailoverHeld').map(({ key }) => key);
    const before = keys();
    expect(before).toHaveLength(1);
    world.beat('n1');
    expect(keys()).toEqual(before);
  });

  it('and whose kubelet is dead is told of once, before the episode and in it', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.silent('n1', 'kubelet').pass(60_000);
    world.beat('n1', { kubelet: 'dead' });
    const keys = (): readonly string[] => world.notices('NodeKubeletDead').map(({ key }) => key);
    const before = keys();
    expect(before).toHaveLength(1);
    world.record('n1', ['web-0']);
    expect(keys()).toEqual(before);
  });
});

describe('a pod of whose eviction a half is done', () => {
  it('is kept while a person pauses, who is told so, and goes afterwards', () => {
    const world = running('held', 'Fenced');
    world.changePod('web-0', { phase: 'Failed' });
    world.configMap({ paused: 'true' });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['paused']);
    world.configMap({});
    expect(world.steps()).toEqual(['Evict default/web-0']);
  });
});
