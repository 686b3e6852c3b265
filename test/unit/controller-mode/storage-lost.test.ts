import { describe, expect, it } from '@jest/globals';
import { isFailed, isTroubled } from '../../../src/controller-mode/verdict.ts';
import { policyAnnotation } from '../../../src/shared/names.ts';
import { failed, unknown } from '../../../src/shared/outcome.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import { StorageWorld } from './storage-world.ts';
import { driver } from './views.ts';

const ask = 'ConfirmHealth vol-web-0';
const begin = 'BeginEpisode n1';

/** web-0 runs on n1, which has reported its volume bad for 30 s; nobody has asked the storage. */
function lost(health: 'list' | 'get' | 'none' = 'get'): StorageWorld {
  const world = StorageWorld.stored(health);
  world.workload('web-0', 'n1');
  world.sick('n1', ['web-0']);
  return world.pass(30_000);
}

describe('the verdict of a node that lives and reports a bad volume', () => {
  it('is StorageLost, of that volume, when the storage finds it well', () => {
    const world = lost();
    const { since } = { since: world.now - 30_000 };
    expect(world.verdict('n1')).toMatchObject({ kind: 'Alive', reason: 'heartbeat' });
    world.says('web-0', 'Healthy');
    const verdict = world.verdict('n1');
    expect(verdict).toMatchObject({ kind: 'StorageLost', reason: 'volume-inaccessible', since });
    expect(verdict.handles).toEqual(new Set(['vol-web-0']));
    expect([isFailed(verdict), isTroubled(verdict)]).toEqual([true, true]);
  });

  it('changes by time alone when the trouble has lasted long enough', () => {
    const world = lost();
    world.well('n1');
    world.pass(1_000);
    world.sick('n1', ['web-0']);
    const seenAt = world.now;
    world.says('web-0', 'Healthy');
    world.pass(29_000);
    expect(world.verdict('n1')).toMatchObject({ kind: 'Alive', changesAt: seenAt + 30_000 });
    expect(world.notices('FailoverHeld')).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(seenAt + 30_000);
  });

  it('is of the whole way to the storage when most volumes are bad', () => {
    const world = lost('none');
    world.sick('n1', ['web-0', 'a', 'b']);
    expect(world.verdict('n1')).toMatchObject({
      kind: 'StorageLost',
      reason: 'storage-unreachable',
    });
  });

  it('is another one while agent, kubelet or driver are not well', () => {
    const world = lost('none');
    expect(world.verdict('n1').kind).toBe('StorageLost');
    world.sick('n1', ['web-0'], 'Inaccessible', { driver: 'silent' });
    expect(world.verdict('n1').kind).toBe('Alive');
    world.sick('n1', ['web-0']);
    expect(world.verdict('n1', world.now + 4_000).kind).toBe('Suspect');
  });

  it.each(['begun', 'fencing', 'held', 'leaving'] as const)(
    'is not of a volume that is taken away: its hold is %s',
    (stage) => {
      const world = lost('none');
      world.stage('web-0', 'n1', stage);
      expect(world.verdict('n1').kind).toBe('Alive');
    },
  );

  it('is not of a volume that is not attached there any more', () => {
    const world = lost('none');
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.verdict('n1').kind).toBe('Alive');
    world.attach('web-0', 'n1', { attached: false });
    expect(world.verdict('n1').kind).toBe('Alive');
    world.attach('web-0', 'n1');
    expect(world.verdict('n1').kind).toBe('StorageLost');
  });

  it('is of all volumes there once the driver says that the way to the storage is gone', () => {
    const world = lost('none');
    world.workload('db-0', 'n1');
    const storage = { status: 'unreachable', reason: 'NoPath', message: '' } as const;
    world.sick('n1', ['web-0'], 'Inaccessible', {
      storage,
      volumes: { good: 0, bad: 1, unknown: 1 },
    });
    world.pass(30_000);
    expect(world.verdict('n1').handles).toEqual(new Set(['vol-web-0', 'vol-db-0']));
  });
});

describe('before a pod is moved from a node that lives', () => {
  it('the storage is asked, and the answer is taken for ten seconds', () => {
    const world = lost();
    expect(world.steps()).toEqual([ask]);
    const [question] = world.wanted('ConfirmHealth');
    if (question !== undefined) world.settle(question);
    expect(world.steps()).toEqual([begin]);
    world.pass(10_000);
    expect(world.steps()).toEqual([begin]);
    world.pass(1);
    expect(world.steps()).toEqual([ask]);
  });

  it('a word from its last sweep does not suffice', () => {
    const world = lost();
    world.says('web-0', 'Healthy');
    world.pass(11_000);
    expect(world.steps()).toEqual([ask]);
  });

  it.each([
    ['bad', failed('VOLUME_ABNORMAL', 'it is gone'), 'scope-volume', []],
    ['unknown', unknown('DEADLINE_EXCEEDED', ''), 'scope-unknown', [ask]],
    ['refused', failed('INVALID_ARGUMENT', 'secrets are missing'), 'scope-unknown', [ask]],
    ['not found', failed('NOT_FOUND', ''), 'scope-unknown', [ask]],
  ] as const)('nothing moves if the answer is %s', (_, outcome, word, steps) => {
    const world = lost();
    const [question] = world.wanted('ConfirmHealth');
    if (question !== undefined) world.settle(question, outcome);
    expect(world.steps()).toEqual([]);
    world.pass(4_999);
    expect(world.steps()).toEqual([]);
    world.pass(10_001);
    expect(world.steps()).toEqual(steps);
    expect(world.words('FailoverHeld', 'web-0')).toEqual([word]);
  });

  it('people are told of a view that is missing only when it stays so', () => {
    const world = lost();
    world.pass(14_999);
    expect(world.words('FailoverHeld', 'web-0')).toEqual([]);
    world.pass(1);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['scope-unknown']);
    world.says('web-0', 'Healthy');
    expect(world.words('FailoverHeld', 'web-0')).toEqual([]);
  });

  it('nobody is asked for a pod that would be held, and its guard is told', () => {
    const world = lost();
    world.says('web-0', 'Healthy');
    world.pass(11_000);
    world.changePod('web-0', { annotations: { [policyAnnotation]: 'retain' } });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['retain']);
    world.silentStorage('web-0');
    expect(world.steps()).toEqual([]);
  });

  it('nobody is asked where the driver tells no health; others stand in', () => {
    expect(lost('none').steps()).toEqual([begin]);
  });

  it('each volume is proven for itself', () => {
    const world = lost();
    world.workload('db-0', 'n1');
    world.sick('n1', ['web-0', 'db-0']);
    world.pass(30_000);
    expect(world.steps()).toEqual(['ConfirmHealth vol-db-0', ask]);
    world.says('db-0', 'Healthy');
    expect(world.steps()).toEqual([begin, ask]);
    const [action] = world.wanted('BeginEpisode');
    expect(action).toMatchObject({
      renewed: 'storage-lost',
      troubled: ['vol-db-0'],
      kubeletRenewTime: undefined,
      reason: 'StorageLost: volume-inaccessible',
      volumes: [{ handle: 'vol-db-0', pv: 'pv-db-0' }],
    });
  });
});

describe('who moves from a node that lives', () => {
  it('is who uses the volume, and no other pod of the driver there', () => {
    const world = lost('none');
    world.workload('db-0', 'n1');
    world.pod('spare-0', 'n1', [], {});
    const [action] = world.wanted('BeginEpisode');
    expect(action?.volumes).toEqual([{ handle: 'vol-web-0', pv: 'pv-web-0' }]);
    expect(world.notices('FailoverHeld')).toEqual([]);
  });

  it('is also who shares another volume with one of those', () => {
    const world = lost('none');
    world.volume('shared');
    world.attach('shared', 'n1');
    const claim = (name: string) =>
      ({ kind: 'claim', name, claim: name, readOnly: false }) as const;
    world.changePod('web-0', { volumes: [claim('web-0'), claim('shared')] });
    world.pod('web-1', 'n1', ['shared']);
    const [action] = world.wanted('BeginEpisode');
    expect(action?.volumes.map(({ pv }) => pv)).toEqual(['pv-web-0', 'pv-shared']);
    world.changePod('web-1', { selected: false });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['shared-volume']);
  });

  it('is nobody while the views do not agree that it is this node', () => {
    const world = lost();
    world.says('web-0', 'Inaccessible');
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['scope-volume']);
    world.says('web-0', 'Healthy');
    world.sick('n2', ['a']);
    world.sick('n3', ['b']);
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['scope-backend']);
  });

  it('is nobody in an outage of the management that makes every volume abnormal', () => {
    const world = lost('list');
    for (const name of ['a', 'b', 'c']) world.volume(name);
    world.lists({ 'web-0': 'Abnormal', a: 'Abnormal', b: 'Abnormal', c: 'Abnormal' });
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['scope-control-plane']);
    const well = { 'web-0': 'Healthy', a: 'Healthy', b: 'Healthy', c: 'Healthy' } as const;
    world.lists(well);
    // The nodes have not looked since: what they still say is of the outage.
    expect(world.steps()).toEqual([]);
    world.pass(30_000);
    world.lists(well);
    expect(world.steps()).toEqual([begin]);
  });

  it('is nobody without trouble on a node, whatever the storage says', () => {
    const world = StorageWorld.stored('list');
    world.workload('web-0', 'n1');
    world.lists({ 'web-0': 'Inaccessible' });
    world.pass(600_000);
    world.lists({ 'web-0': 'DataLoss' });
    expect(world.steps()).toEqual([]);
    expect(world.notices('FailoverHeld')).toEqual([]);
  });
});

describe('a volume that comes and goes', () => {
  it('is decided upon ten minutes after it began to', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1');
    for (let turn = 0; turn < 4; turn += 1) {
      world.well('n1');
      world.pass(60_000);
      world.sick('n1', ['web-0']);
    }
    world.pass(30_000);
    expect(world.steps()).toEqual([]);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['flapping']);
    const until = 600_000 - 3 * 60_000 - 30_000;
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + until);
    world.pass(until);
    expect(world.steps()).toEqual([begin]);
  });

  it('is not said to for three times', () => {
    const world = StorageWorld.stored('none');
    world.workload('web-0', 'n1');
    for (let turn = 0; turn < 3; turn += 1) {
      world.well('n1');
      world.pass(60_000);
      world.sick('n1', ['web-0']);
    }
    expect(world.pass(30_000).steps()).toEqual([begin]);
  });
});

describe('what people read of a node that has lost its storage', () => {
  it('is the verdict on the node, once for each life of the machine and reason', () => {
    const world = lost('none');
    const [first] = world.notices('NodeStorageLost');
    expect(first).toMatchObject({ about: { name: 'n1' }, word: 'volume-inaccessible' });
    world.pass(10_000);
    expect(world.notices('NodeStorageLost').map(({ key }) => key)).toEqual([first?.key]);
  });

  it('names volume, node, cause and the scope of the trouble on a pod that stays', () => {
    const world = lost();
    world.says('web-0', 'Inaccessible');
    const [held] = world.notices('FailoverHeld');
    expect(held?.note).toBe(
      'Not moved away from node n1, which reports volume vol-web-0 Inaccessible ' +
        '(IsInaccessible). scope-volume: the storage, too, says that the volume is bad, so no ' +
        'other node would do better.',
    );
    expect(held?.key).toBe('FailoverHeld/scope-volume/n1/vol-web-0');
  });
});

describe('a driver without attach, on a node that lives and has lost its storage', () => {
  /** No VolumeAttachment ever tells that the volume is there; the pod does. */
  function attachless(fence: Policy['fence'] = { kind: 'unpublish', claim: '' }): StorageWorld {
    const world = StorageWorld.stored('none', { fence });
    const view = world.state.csidrivers.get(driver);
    if (view !== undefined) world.put({ ...view, attachRequired: false });
    world.volume('web-0');
    world.pod('web-0', 'n1', ['web-0']);
    return world;
  }

  const reports: readonly [string, (world: StorageWorld) => void][] = [
    ['one volume', (w) => w.sick('n1', ['web-0'])],
    [
      'its whole way to the storage',
      (w) => {
        const storage = { status: 'unreachable', reason: 'NoPath', message: '' } as const;
        w.well('n1', 0, { storage });
      },
    ],
  ];

  it.each(reports)('is told, and nothing of it is moved, if it is %s', (_, report) => {
    const world = attachless();
    report(world);
    world.pass(30_000);
    expect(world.verdict('n1').kind).toBe('StorageLost');
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['unfenceable']);
    expect(world.notices('FailoverHeld')[0]?.note).toContain('attachRequired');
    expect(world.wanted('BeginEpisode')).toEqual([]);
  });

  it('is not moved either where a person insists to move from dead nodes without a fence', () => {
    const world = attachless({ kind: 'unsafe' });
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['unfenceable']);
    expect(world.wanted('BeginEpisode')).toEqual([]);
    expect(world.lose('n1').wanted('BeginEpisode')).toHaveLength(1);
  });

  it('has trouble of its own only with volumes that a pod there has', () => {
    const world = attachless();
    world.remove(world.findPod('web-0'));
    world.sick('n1', ['web-0']);
    world.pass(30_000);
    expect(world.verdict('n1').kind).toBe('Alive');
  });

  it('has the trouble of all if pods of several nodes have it with one volume', () => {
    const world = attachless();
    world.pod('web-1', 'n2', ['web-0']);
    world.sick('n1', ['web-0']);
    world.sick('n2', ['web-0']);
    world.pass(30_000);
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['scope-backend']);
    expect(world.words('FailoverHeld', 'web-1')).toEqual(['scope-backend']);
  });
});
