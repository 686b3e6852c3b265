import { describe, expect, it } from '@jest/globals';
import { policyAnnotation } from '../../../src/shared/names.ts';
import { failed } from '../../../src/shared/outcome.ts';
import { driver, otherDriver, type Stage } from './views.ts';
import { World } from './world.ts';

const hold = 'Hold va-web-0-n1';
const evict = 'Evict default/web-0';
const dropHold = 'DropHold va-web-0-n1';
const mark = 'MarkPod default/web-0';
const setTaint = 'SetTaint fenced.csi-failover.io';

/** n1 is Lost with web-0 on it, and a record lists its volume; nothing more was done yet. */
function recorded(phase: 'Intent' | 'Fenced' | 'Moved' = 'Intent'): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.record('n1', ['web-0'], { phase });
  return world;
}

/** Marked and tainted, too: ready for the fence, or with a hold at this stage. */
function fenced(stage: Stage, phase: 'Intent' | 'Fenced' = 'Intent'): World {
  const world = recorded(phase);
  world.mark('web-0');
  world.taint('n1');
  world.stage('web-0', 'n1', stage);
  return world;
}

/** A claim of another driver on web-0, attached to n1; `stage` is the hold of the other instance. */
function withOtherDriver(world: World, stage: Stage): void {
  world.volume('files', { driver: otherDriver });
  world.attach('files', 'n1', { driver: otherDriver });
  const { volumes } = world.findPod('web-0');
  const files = { kind: 'claim', name: 'files', claim: 'files', readOnly: false } as const;
  world.changePod('web-0', { volumes: [...volumes, files] });
  world.stage('files', 'n1', stage);
}

describe('the steps before the fence', () => {
  it('are the mark and the taint, and nothing goes before both', () => {
    const world = recorded();
    expect(world.steps()).toEqual([mark, setTaint]);
    world.mark('web-0');
    expect(world.steps()).toEqual([setTaint]);
    world.taint('n1');
    expect(world.steps()).toEqual([hold]);
    world.changePod('web-0', { annotations: {} });
    expect(world.steps()).toEqual([mark]);
    world.mark('web-0');
    world.untaint('n1');
    expect(world.steps()).toEqual([setTaint]);
  });

  it('wait for a mark that the API refuses, and people are told', () => {
    const world = recorded();
    const [wanted] = world.wanted('MarkPod');
    if (wanted === undefined) throw new Error('no mark');
    const answer = (kind: 'Failed' | 'Unknown', code: string) => {
      world.settle(wanted, { kind, code, detail: 'no' });
      return world.words('FailoverWaiting', 'web-0');
    };
    expect(answer('Failed', 'HTTP_403')).toEqual(['mark-refused']);
    expect(answer('Unknown', 'HTTP_500')).toEqual(['mark-refused']);
    for (const code of ['HTTP_404', 'HTTP_409', 'OTHER_EPOCH', 'OTHER_PHASE']) {
      expect(answer('Failed', code)).toEqual([]);
    }
    answer('Failed', 'HTTP_403');
    world.settle(wanted);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual([]);
  });

  it('wait for a taint that the API refuses, and people are told while it does', () => {
    const world = recorded();
    world.mark('web-0');
    const [wanted] = world.wanted('SetTaint');
    if (wanted === undefined) throw new Error('no taint');
    const said = () => world.words('FailoverWaiting', 'web-0');
    expect(said()).toEqual([]);
    for (const code of ['HTTP_403', 'HTTP_500']) {
      world.settle(wanted, failed(code, 'no'));
      expect(said()).toEqual(['taint-refused']);
    }
    for (const code of ['HTTP_404', 'HTTP_409', 'OTHER_EPOCH']) {
      world.settle(wanted, failed(code, 'no'));
      expect(said()).toEqual([]);
    }
    world.settle(wanted, failed('HTTP_403', 'no'));
    world.pass(60_000);
    expect(said()).not.toContain('taint-refused');
    world.settle(wanted, failed('HTTP_403', 'no'));
    world.settle(wanted);
    expect(said()).not.toContain('taint-refused');
  });

  it('begin with a record, and people are told when the API refuses it', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.lose('n1');
    const [wanted] = world.wanted('BeginEpisode');
    if (wanted === undefined) throw new Error('nothing is begun');
    world.settle(wanted, failed('RENEWED', 'it has changed'));
    expect(world.words('FailoverHeld', 'web-0')).toEqual([]);
    world.settle(wanted, failed('HTTP_403', 'no'));
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['record-refused']);
    expect(world.wanted('BeginEpisode')).toHaveLength(1);
  });

  it('count no mark of another episode, of another pod or of another node', () => {
    const world = recorded();
    world.taint('n1');
    world.mark('web-0', driver, '6');
    expect(world.steps()).toEqual([mark, 'UnmarkPod default/web-0']);
    const { annotations } = world.mark('web-0');
    world.remove(world.findPod('web-0'));
    world.pod('web-0', 'n1', ['web-0'], { annotations });
    expect(world.steps()).toEqual([mark]);
  });

  it('taint a Node object that was made anew, and not by the key of the old one', () => {
    const world = recorded();
    const [before] = world.wanted('SetTaint');
    world.changeNode('n1', { uid: 'uid-of-the-new-node' });
    const [after] = world.wanted('SetTaint');
    expect(after?.nodeUid).toBe('uid-of-the-new-node');
    expect(after?.key).not.toBe(before?.key);
  });

  it('write a volume into the record before its pod is marked', () => {
    const world = recorded();
    world.workload('db-0', 'n1');
    expect(world.steps()).toEqual(['SetTaint fenced.csi-failover.io', 'UpdateRecord Intent']);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.record.volumes.map(({ pv }) => pv)).toEqual(['pv-web-0', 'pv-db-0']);
    world.record('n1', ['web-0', 'db-0']);
    expect(world.steps()).toEqual(['MarkPod default/db-0', mark, setTaint]);
  });
});

describe('the fence', () => {
  it.each<[Stage, string[]]>([
    ['bare', []],
    ['free', [hold]],
    ['leaving', []],
    ['begun', [hold]],
    ['fencing', []],
  ])('of an attachment that is %s wants %j', (stage, steps) => {
    expect(fenced(stage).steps()).toEqual(steps);
  });

  it('waits for every pod on the node that uses the volume', () => {
    const world = fenced('free');
    world.pod('web-1', 'n1', ['web-0']);
    expect(world.steps()).toEqual(['MarkPod default/web-1']);
    world.mark('web-1');
    expect(world.steps()).toEqual([hold]);
  });

  it.each(['Suspect', 'Alive'] as const)('is not begun on a node that is %s again', (kind) => {
    const world = fenced('free');
    world.back('n1', 'agent');
    if (kind === 'Alive') world.back('n1', 'kubelet');
    expect(world.verdict('n1').kind).toBe(kind);
    expect(world.wanted('Hold')).toEqual([]);
  });

  it('is not begun for a pod that a person took out meanwhile', () => {
    const world = fenced('free');
    const { annotations } = world.findPod('web-0');
    world.changePod('web-0', { annotations: { ...annotations, [policyAnnotation]: 'retain' } });
    expect(world.wanted('Hold')).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['retain']);
    world.changePod('web-0', { annotations, selected: false });
    expect(world.wanted('Hold')).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['not-movable']);
  });

  it('is not begun in a storm, but what was begun goes on', () => {
    const world = fenced('free');
    world.record('n2', ['x'], { phase: 'Moved' });
    world.record('n3', ['y'], { phase: 'Moved' });
    expect(world.wanted('Hold')).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['storm']);
    world.stage('web-0', 'n1', 'begun');
    expect(world.wanted('Hold')).toHaveLength(1);
  });

  it('takes a volume away that nobody uses any more, because the machine still may', () => {
    const world = fenced('free');
    world.remove(world.findPod('web-0'));
    expect(world.steps()).toEqual([hold]);
  });

  it('waits until the instance of the other driver has announced itself', () => {
    const world = fenced('free');
    withOtherDriver(world, 'free');
    world.pass(5_000);
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['foreign-volume']);
    world.mark('web-0', otherDriver, 'other-epoch');
    expect(world.steps()).toEqual([hold]);
  });
});

describe('an eviction', () => {
  it('is wanted when the only volume is held, and the phase is written down', () => {
    expect(fenced('held').steps()).toEqual([evict, 'UpdateRecord Fenced']);
    expect(fenced('held', 'Fenced').steps()).toEqual([evict]);
  });

  it('waits for every volume of ours', () => {
    const world = fenced('held', 'Fenced');
    world.volume('logs');
    world.attach('logs', 'n1');
    world.pod('web-0', 'n1', ['web-0', 'logs']);
    world.record('n1', ['web-0', 'logs'], { phase: 'Fenced' });
    world.mark('web-0');
    for (const stage of ['free', 'leaving', 'begun', 'fencing'] as const) {
      world.stage('logs', 'n1', stage);
      expect(world.wanted('Evict')).toEqual([]);
    }
    world.stage('logs', 'n1', 'held');
    expect(world.steps()).toEqual([evict]);
  });

  it('waits for a volume of ours that the intent lists and the pod does not show', () => {
    const world = fenced('held', 'Fenced');
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.wanted('Evict')).toEqual([]);
    world.changePod('web-0', { volumes: [] });
    expect(world.wanted('Evict')).toEqual([]);
  });

  it('waits for the hold of the other driver', () => {
    const world = fenced('held', 'Fenced');
    withOtherDriver(world, 'fencing');
    world.mark('web-0', otherDriver, 'other-epoch');
    world.pass(5_000);
    expect(world.wanted('Evict')).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['foreign-volume']);
    world.stage('files', 'n1', 'held');
    world.mark('web-0', otherDriver, 'other-epoch', { fenced: true });
    expect(world.steps()).toContain(evict);
  });

  it('waits for the word of the instance that may ask the other driver, not for its hold alone', () => {
    const world = fenced('held', 'Fenced');
    withOtherDriver(world, 'held');
    world.mark('web-0', otherDriver, 'other-epoch');
    expect(world.pass(5_000).wanted('Evict')).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['foreign-volume']);
  });

  it('tells the instance of the other driver once its own volumes are confirmed', () => {
    const world = fenced('fencing', 'Fenced');
    withOtherDriver(world, 'held');
    world.mark('web-0', otherDriver, 'other-epoch');
    expect(world.wanted('MarkPod')).toEqual([]);
    world.stage('web-0', 'n1', 'held');
    expect(world.wanted('MarkPod')).toMatchObject([
      { intent: { fenced: true }, nodeIds: ['id-n1'] },
    ]);
    world.mark('web-0', undefined, undefined, { fenced: true });
    expect(world.wanted('MarkPod')).toEqual([]);
  });

  it('takes the pod of the intent only', () => {
    const world = fenced('held', 'Fenced');
    world.changePod('web-0', { annotations: {} });
    expect(world.wanted('Evict')).toEqual([]);
  });

  it('is wanted again for a pod that has failed and whose object is still there', () => {
    const world = fenced('held', 'Fenced');
    world.changePod('web-0', { phase: 'Failed' });
    expect(world.wanted('Evict')).toHaveLength(1);
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual([evict]);
    world.changePod('web-0', { deleting: true, finalizers: ['example.com/keep'] });
    expect(world.wanted('Evict')).toEqual([]);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['pod-finalizer']);
  });

  it('leaves a pod alone that succeeded', () => {
    const world = fenced('held', 'Fenced');
    world.changePod('web-0', { phase: 'Succeeded' });
    expect(world.wanted('Evict')).toEqual([]);
  });

  it('says what it waits for, and what the API answered', () => {
    const world = fenced('fencing', 'Fenced');
    world.pass(5_000);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['fence-unconfirmed']);
    world.stage('web-0', 'n1', 'held');
    expect(world.words('FailoverWaiting', 'web-0')).toEqual([]);
    const [eviction] = world.wanted('Evict');
    if (eviction === undefined) throw new Error('no eviction');
    world.settle(eviction, { kind: 'Failed', code: 'HTTP_403', detail: 'no' });
    expect(world.words('FailoverWaiting', 'web-0')).toEqual(['eviction-refused']);
    world.settle(eviction);
    expect(world.words('FailoverWaiting', 'web-0')).toEqual([]);
  });
});

describe('the end of a hold', () => {
  it.each<[string, (world: World) => void, boolean]>([
    ['the pod is gone', (w) => w.remove(w.findPod('web-0')), true],
    ['the pod has failed', (w) => w.changePod('web-0', { phase: 'Failed', deleting: true }), true],
    ['the pod is only being deleted', (w) => w.changePod('web-0', { deleting: true }), false],
    ['another pod of the node uses it', (w) => another(w, 'n1'), false],
    ['another pod of another node uses it', (w) => another(w, 'n2'), true],
  ])('when %s', (_, change, expected) => {
    const world = fenced('held', 'Fenced');
    change(world);
    expect(world.pass(2_000).steps().includes(dropHold)).toBe(expected);
  });

  function another(world: World, node: string): void {
    world.remove(world.findPod('web-0'));
    world.pod('other', node, ['web-0'], { selected: false });
  }

  it.each<Stage>(['begun', 'fencing'])('does not come while it is %s', (stage) => {
    const world = fenced(stage, 'Fenced');
    world.remove(world.findPod('web-0'));
    expect(world.wanted('DropHold')).toEqual([]);
  });

  it('does not come while the record is an intent', () => {
    const world = fenced('held', 'Intent');
    world.remove(world.findPod('web-0'));
    expect(world.steps()).toEqual(['UpdateRecord Fenced']);
  });

  it('lets the record say that all has moved', () => {
    const world = fenced('held', 'Fenced');
    world.remove(world.findPod('web-0'));
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.steps()).toEqual(['UpdateRecord Moved']);
    const [update] = world.wanted('UpdateRecord');
    expect(update?.exclusive).toBe(true);
  });

  it.each<[string, (world: World) => void]>([
    ['a member still runs', (w) => w.changePod('web-0', {})],
    ['a failed member is not deleted yet', (w) => w.changePod('web-0', { phase: 'Failed' })],
    [
      'our out-of-service taint stands',
      (w) => {
        w.remove(w.findPod('web-0'));
        w.outOfService('n1');
      },
    ],
    [
      'an attachment is there again',
      (w) => {
        w.remove(w.findPod('web-0'));
        w.attach('web-0', 'n1');
      },
    ],
  ])('but not while %s', (_, change) => {
    const world = fenced('held', 'Fenced');
    world.remove(world.findAttachment('web-0', 'n1'));
    change(world);
    expect(world.wanted('UpdateRecord')).toEqual([]);
  });
});
