import { describe, expect, it } from '@jest/globals';
import { pausedAnnotation } from '../../../src/shared/names.ts';
import { running } from './running.ts';
import type { Stage } from './views.ts';
import { World } from './world.ts';

const evict = 'Evict default/web-0';
const released = 'UpdateRecord Released';

describe('a Node that is gone', () => {
  /** And its volume is one that the attacher has never published there. */
  function gone(): World {
    const world = running('free');
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    world.put({ ...world.findAttachment('web-0', 'n1'), finalizers: [], attached: false });
    return world;
  }

  it('gets its intent taken back when nobody is left there and nothing can be taken away', () => {
    const world = gone();
    world.remove(world.findPod('web-0'));
    expect(world.verdict('n1').kind).toBe('Gone');
    expect(world.steps()).toEqual([released]);
  });

  it('keeps it while a pod wants the volume', () => {
    expect(gone().steps()).toEqual([]);
  });

  it('has its volume taken away where the attacher has published it', () => {
    const world = gone();
    world.remove(world.findPod('web-0'));
    world.stage('web-0', 'n1', 'free');
    expect(world.steps()).toEqual(['Hold va-web-0-n1']);
  });
});

describe('a node that comes back before the fence', () => {
  it('gets its intent taken back, alone and with nothing else in flight', () => {
    const world = running('free');
    world.back('n1');
    expect(world.steps()).toEqual([released]);
    const [update] = world.wanted('UpdateRecord');
    expect(update).toMatchObject({ exclusive: true, record: { reason: 'withdrawn' } });
    expect(update?.unheld).toEqual([
      { name: 'va-web-0-n1', uid: world.findAttachment('web-0', 'n1').uid },
    ]);
  });

  it('even if only its kubelet comes back', () => {
    const world = running('free');
    world.back('n1', 'kubelet');
    expect(world.verdict('n1').kind).toBe('AgentDown');
    expect(world.steps()).toEqual([released]);
  });

  it('keeps it as long as only its agent is back', () => {
    const world = running('free');
    world.back('n1', 'agent');
    expect(world.steps()).toEqual([]);
    expect(world.pass(60_000).steps()).toEqual([]);
  });

  it('keeps it when it only seems to live because we did not look', () => {
    const world = running('free');
    world.see({ kind: 'Suspended', gapMs: 60_000 });
    expect(world.verdict('n1').kind).toBe('Alive');
    expect(world.steps()).toEqual([]);
  });

  it.each<Stage>(['begun', 'fencing', 'held'])('is finished when the hold is %s', (stage) => {
    const world = running(stage);
    world.back('n1');
    expect(world.steps()).not.toContain(released);
  });

  it('is given up when somebody has stripped every hold, if none stands by a consistent read', () => {
    const world = running('free', 'Fenced');
    world.back('n1');
    expect(world.steps()).toEqual([released]);
    const [update] = world.wanted('UpdateRecord');
    expect(update).toMatchObject({ exclusive: true, record: { reason: 'withdrawn' } });
    expect(update?.unheld?.map(({ name }) => name)).toEqual(['va-web-0-n1']);
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    world.see({ kind: 'Leadership', leading: true, renewal: '' });
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 15_000);
  });

  it('waits until no call of a former leader can still be on its way', () => {
    const world = running('free');
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    world.see({ kind: 'Leadership', leading: true, renewal: '' });
    world.back('n1');
    const until = world.now + 15_000;
    expect(world.steps()).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(until);
    world.pass(14_999);
    expect(world.steps()).toEqual([]);
    world.pass(1);
    expect(world.steps()).toEqual([released]);
  });

  it('needs no sign of life when the Node and all that was attached are gone', () => {
    const world = running('free');
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.verdict('n1').kind).toBe('Gone');
    expect(world.steps()).not.toContain(released);
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual([released]);
  });
});

describe('a node that comes back half-fenced', () => {
  /** web-0 has a held and a free volume, db-0 has lost nothing; the node lives again. */
  function half(): World {
    const world = running('held', 'Fenced');
    world.volume('logs');
    world.attach('logs', 'n1');
    world.pod('web-0', 'n1', ['web-0', 'logs']);
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'logs', 'db-0'], { phase: 'Fenced' });
    world.mark('web-0');
    world.mark('db-0');
    world.pass(1).back('n1');
    return world;
  }

  it('loses the rest of what its pods need, and nothing else', () => {
    const world = half();
    expect(world.steps()).toEqual(['Hold va-logs-n1']);
    world.stage('logs', 'n1', 'held');
    expect(world.steps()).toEqual([evict]);
  });

  it('keeps the pods that have lost nothing', () => {
    const world = half();
    world.stage('logs', 'n1', 'held');
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('logs', 'n1'));
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual(['UpdateRecord Moved']);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.volumes.map(({ pv }) => pv)).toEqual(['pv-web-0', 'pv-logs']);
    expect(update?.unheld?.map(({ name }) => name)).toEqual(['va-db-0-n1']);
  });

  it('does not lose sight of them when it only seems to live because we did not look', () => {
    const world = running('held', 'Fenced');
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    world.see({ kind: 'Suspended', gapMs: 60_000 });
    expect(world.verdict('n1').kind).toBe('Alive');
    expect(world.wanted('UpdateRecord')).toEqual([]);
  });

  it('takes them up again when it is lost once more', () => {
    const world = half();
    world.record('n1', ['web-0', 'logs'], { phase: 'Moved' });
    for (const name of ['web-0', 'logs']) world.remove(world.findAttachment(name, 'n1'));
    world.remove(world.findPod('web-0'));
    world.lose('n1');
    expect(world.steps()).toContain('UpdateRecord Fenced');
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.volumes.map(({ pv }) => pv)).toContain('pv-db-0');
  });

  it('leaves a pod alone that fails by itself', () => {
    const world = half();
    world.changePod('db-0', { phase: 'Failed', owner: { kind: 'Job', name: 'j', uid: 'u' } });
    expect(world.steps()).toEqual(['Hold va-logs-n1']);
  });
});

describe('a released record', () => {
  function closing(): World {
    const world = running('free');
    world.record('n1', ['web-0'], { phase: 'Released', reason: 'withdrawn' });
    world.back('n1');
    return world;
  }

  it('goes last, after marks and taints', () => {
    const world = closing();
    world.outOfService('n1');
    expect(world.steps()).toEqual([
      'ClearTaint fenced.csi-failover.io',
      'ClearTaint node.kubernetes.io',
      'UnmarkPod default/web-0',
    ]);
    world.untaint('n1', 'node.kubernetes.io/out-of-service');
    world.changePod('web-0', { annotations: {} });
    expect(world.steps()).toEqual(['ClearTaint fenced.csi-failover.io']);
    world.untaint('n1');
    expect(world.steps()).toEqual(['RemoveRecord n1']);
    expect(world.wanted('RemoveRecord')[0]?.exclusive).toBe(true);
    world.noRecord('n1');
    expect(world.steps()).toEqual([]);
  });

  it('is closed even when the node is lost again, and never taints it anew', () => {
    const world = closing();
    world.untaint('n1');
    world.lose('n1');
    expect(world.steps()).toEqual(['UnmarkPod default/web-0']);
  });

  it('is closed without a Node object', () => {
    const world = closing();
    world.changePod('web-0', { annotations: {} });
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.steps()).toEqual(['RemoveRecord n1']);
  });
});

describe('what stands without a record', () => {
  it.each<Stage>(['fencing', 'held'])('a hold that is %s makes a fenced episode', (stage) => {
    const world = running(stage);
    world.noRecord('n1');
    world.back('n1');
    const [begin] = world.wanted('BeginEpisode');
    expect(begin).toMatchObject({
      phase: 'Fenced',
      reason: 'adopted',
      kubeletRenewTime: undefined,
      volumes: [{ handle: 'vol-web-0', pv: 'pv-web-0' }],
    });
  });

  it.each<Stage>(['free', 'leaving'])('no hold (%s) and no taint makes none', (stage) => {
    const world = running(stage);
    world.noRecord('n1');
    world.untaint('n1');
    world.back('n1');
    expect(world.wanted('BeginEpisode')).toEqual([]);
  });

  it('a taint alone makes an episode that has moved all volumes of the driver', () => {
    const world = World.healthy();
    world.taint('n1');
    const [begin] = world.wanted('BeginEpisode');
    expect(begin).toMatchObject({ phase: 'Moved', reason: 'adopted', volumes: [] });
  });

  it('a record that nobody can read is no record', () => {
    const world = running('held');
    const { annotations } = world.heartbeat('n1');
    const broken = Object.fromEntries(Object.keys(annotations).map((key) => [key, '{"v":9']));
    world.changeHeartbeat('n1', { annotations: broken });
    expect(world.wanted('BeginEpisode')).toHaveLength(1);
  });

  it('a finalizer on an attachment that nobody deletes is taken off where the node lives', () => {
    const world = running('begun');
    world.noRecord('n1');
    world.untaint('n1');
    expect(world.wanted('UndoHold')).toEqual([]);
    world.back('n1');
    expect(world.steps()).toEqual(['UndoHold va-web-0-n1']);
  });
});

describe('the beginning of an episode', () => {
  it('says by which renewals of the agent the verdict would be contradicted', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.lose('n1');
    expect(world.wanted('BeginEpisode')[0]).not.toHaveProperty('renewed');
    world.back('n1', 'agent');
    world.pass(30_000).beat('n1', { kubelet: 'dead' });
    expect(world.verdict('n1').kind).toBe('KubeletDead');
    expect(world.wanted('BeginEpisode')).toMatchObject([{ renewed: 'kubelet-dead' }]);
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.wanted('BeginEpisode')).toMatchObject([{ renewed: 'anything' }]);
  });
});

describe('a node that is deleted', () => {
  function gone(stage: Stage, phase: 'Intent' | 'Fenced'): World {
    const world = running(stage, phase);
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    return world;
  }

  it('begins an episode that names no Node object', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    const begin = { nodeUid: '', bootId: '', renewed: 'anything' };
    expect(world.wanted('BeginEpisode')).toMatchObject([begin]);
  });

  it('is fenced without a taint, evicted, and detached without the fast path', () => {
    expect(gone('free', 'Intent').steps()).toEqual(['Hold va-web-0-n1']);
    expect(gone('held', 'Fenced').steps()).toEqual([evict]);
    const world = gone('held', 'Fenced');
    world.remove(world.findPod('web-0'));
    expect(world.pass(2_000).steps()).toEqual(['DropHold va-web-0-n1']);
  });

  it('is tainted before anything else when it appears again', () => {
    const world = running('free');
    world.changeNode('n1', { uid: 'uid-of-the-new-node', taints: [] });
    expect(world.steps()).toEqual(['SetTaint fenced.csi-failover.io']);
  });
});

describe('an episode that a person pauses', () => {
  it('takes nothing away and evicts nobody, and goes on afterwards', () => {
    const world = running('free');
    world.configMap({ paused: 'true' });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['paused']);
    world.stage('web-0', 'n1', 'begun');
    expect(world.steps()).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    world.record('n1', ['web-0'], { phase: 'Fenced' });
    expect(world.steps()).toEqual([]);
    world.configMap({});
    expect(world.steps()).toEqual([evict]);
  });

  it('stops for a pod that is not labelled any more, too', () => {
    const world = running('held', 'Fenced');
    world.changePod('web-0', { selected: false });
    expect(world.steps()).toEqual([evict]);
    world.changeNode('n1', { annotations: { [pausedAnnotation]: 'true' } });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['paused']);
  });
});
