import { describe, expect, it } from '@jest/globals';
import { act } from '../../../src/controller-mode/act.ts';
import { type Action, action } from '../../../src/controller-mode/actions.ts';
import type { Reply } from '../../../src/shared/effect.ts';
import type { HealthStatus } from '../../../src/shared/health.ts';
import { reportAnnotation } from '../../../src/shared/names.ts';
import { done, failed, outcomeOfGrpc } from '../../../src/shared/outcome.ts';
import type { NodeReport } from '../../../src/shared/record.ts';
import { word } from './storage-world.ts';
import { actionFor, before, heartbeatKey, podKey, StoreWorld } from './store-world.ts';
import { driver, epoch, reportText } from './views.ts';

const bad: Partial<NodeReport> = {
  unhealthy: [{ handle: 'vol-web-0', ...word('Inaccessible') }],
};

function report(world: StoreWorld, change: Partial<NodeReport>): void {
  const annotations = { [reportAnnotation]: reportText(change) };
  world.store.patch('leases', heartbeatKey, { metadata: { annotations } });
}

describe('ConfirmHealth', () => {
  function answer(reply: Partial<Reply & { target: 'csi' }>, by = driver) {
    const question = action('ConfirmHealth', '', { node: 'n1', handle: 'vol-web-0' });
    const performance = act(question, { driver: by, wallTime: '' });
    expect(performance.next().value).toEqual({
      target: 'csi',
      call: 'VolumeHealth',
      handle: 'vol-web-0',
    });
    const whole: Reply = { target: 'csi', outcome: done, publishedNodes: new Map(), ...reply };
    return performance.next(whole).value;
  }

  it.each<[HealthStatus, string]>([
    ['Healthy', 'Done'],
    ['Degraded', 'Done'],
    ['Inaccessible', 'VOLUME_ABNORMAL'],
    ['Hung', 'VOLUME_ABNORMAL'],
    ['Abnormal', 'VOLUME_ABNORMAL'],
    ['DataLoss', 'VOLUME_ABNORMAL'],
    ['Unknown', 'NO_WORD'],
  ])('takes %s for %s', (status, expected) => {
    const outcome = answer({ health: word(status) });
    expect('code' in outcome ? outcome.code : outcome).toEqual(
      expected === 'Done' ? done : expected,
    );
  });

  it('takes no answer, and one without a word, for unknown', () => {
    for (const code of [2, 4, 10, 13, 14]) {
      expect(answer({ outcome: outcomeOfGrpc(code, '') })).toMatchObject({ kind: 'Unknown' });
    }
    expect(answer({ outcome: failed('NOT_FOUND', '') })).toMatchObject({ code: 'NOT_FOUND' });
    expect(answer({})).toMatchObject({ kind: 'Unknown', code: 'NO_WORD' });
  });

  it('knows what this driver means', () => {
    const health = word('Abnormal');
    expect(answer({ health }, 'csi-powermax.dellemc.com')).toMatchObject({ code: 'NO_WORD' });
    expect(answer({ health }, 'linstor.csi.linbit.com')).toEqual(done);
  });
});

describe('BeginEpisode for volumes that a node that lives cannot use', () => {
  function begin(world: StoreWorld, troubled: readonly string[] = ['vol-web-0']): Action {
    const common = actionFor('BeginEpisode', world);
    const evidence = { renewed: 'storage-lost', troubled, kubeletRenewTime: undefined } as const;
    return { ...common, ...evidence } as Action;
  }

  it('is no matter of silence: kubelet and agent renew, and the report says the same', () => {
    const world = new StoreWorld();
    report(world, bad);
    const what = begin(world);
    world.renew();
    expect(world.run(what)).toEqual(done);
    expect(world.recordNow()?.phase).toBe('Intent');
  });

  it.each<[string, Partial<NodeReport>]>([
    ['says that all is well', {}],
    ['says less of it', { unhealthy: [{ handle: 'vol-web-0', ...word('Degraded') }] }],
    ['names another volume', { unhealthy: [{ handle: 'other', ...word('Inaccessible') }] }],
    ['says that the driver is silent', { ...bad, driver: 'silent' }],
    ['says that it stops', { ...bad, driver: 'stopping' }],
  ])('does nothing when the report by now %s', (_, change) => {
    const world = new StoreWorld();
    report(world, bad);
    const what = begin(world);
    report(world, change);
    expect(world.run(what)).toMatchObject({ kind: 'Failed', code: 'RENEWED' });
    expect(world.writes).toEqual([]);
  });

  it('does nothing when one of the volumes is well by now, or the report cannot be read', () => {
    const world = new StoreWorld();
    report(world, bad);
    const what = begin(world, ['vol-web-0', 'vol-db-0']);
    world.renew();
    expect(world.run(what)).toMatchObject({ code: 'RENEWED' });
    const annotations = { [reportAnnotation]: '{' };
    const one = begin(world);
    world.store.patch('leases', heartbeatKey, { metadata: { annotations } });
    expect(world.run(one)).toMatchObject({ code: 'RENEWED' });
  });

  it('takes the loss of the way to the storage for the loss of each volume', () => {
    const storage = { status: 'unreachable', reason: '', message: '' } as const;
    const world = new StoreWorld();
    const what = begin(world);
    report(world, { storage, volumes: { good: 1, bad: 0, unknown: 0 } });
    expect(world.run(what)).toMatchObject({ code: 'RENEWED' });
    report(world, { storage, volumes: { good: 0, bad: 0, unknown: 1 } });
    expect(world.run(what)).toEqual(done);
  });
});

describe('EndPod', () => {
  function ready(own?: number): StoreWorld {
    const world = new StoreWorld();
    const spec = { terminationGracePeriodSeconds: own ?? null };
    world.store.patch('pods', podKey, { spec });
    report(world, bad);
    world.record();
    world.mark();
    return world;
  }

  /** The grace that the deletion asked for; undefined: there was none. */
  function graceOf(world: StoreWorld, graceMs = 5_000): number | undefined {
    let grace: number | undefined;
    world.run({ ...actionFor('EndPod', world), graceMs } as Action, (_, __, effect) => {
      if (effect.target === 'kubernetes' && effect.verb === 'delete') {
        grace = effect.gracePeriodSeconds;
      }
      return undefined;
    });
    return grace;
  }

  it('deletes the pod as anybody would: its object stays until the kubelet has ended it', () => {
    const world = ready();
    expect(world.run(actionFor('EndPod', world))).toEqual(done);
    expect(world.metadata('pods', podKey).deletionTimestamp).toBeDefined();
    expect(world.writes).toEqual(['delete pods']);
  });

  it.each([
    [30, 5_000, 5],
    [2, 5_000, 2],
    [0, 5_000, 1],
    [undefined, 5_000, 5],
    [30, 0, 1],
    [30, 1_500, 2],
  ])('with a grace of %s s of its own, and %i ms at most, gives it %i s', (own, most, given) => {
    expect(graceOf(ready(own), most)).toBe(given);
  });

  it.each<[string, (world: StoreWorld) => void, string]>([
    ['the record is gone', (w) => w.noRecord(), 'OTHER_EPOCH'],
    ['the record has got further', (w) => w.record({ phase: 'Moved' }), 'OTHER_PHASE'],
    ['the pod has lost its intent', (w) => w.mark({ epoch: '6' }), 'NO_INTENT'],
  ])('does nothing when %s', (_, change, code) => {
    const world = ready();
    const what = actionFor('EndPod', world);
    change(world);
    expect(world.run(what)).toMatchObject({ code });
    expect(world.writes).toEqual([]);
  });

  it('does nothing to another pod of that name, or to one that is being deleted', () => {
    const world = ready();
    const what = actionFor('EndPod', world);
    world.replace('pods', podKey);
    expect(world.run(what)).toEqual(done);
    const ended = ready();
    ended.store.delete('pods', podKey, { gracePeriodSeconds: 300 });
    expect(ended.run(actionFor('EndPod', ended))).toEqual(done);
    expect([...world.writes, ...ended.writes]).toEqual([]);
  });

  it('does nothing when the node reports none of its volumes bad any more', () => {
    const world = ready();
    const troubled = ['vol-web-0', 'vol-db-0'];
    const what = { ...actionFor('EndPod', world), troubled } as Action;
    expect(epoch).toBe('7');
    expect(
      world.run(
        what,
        before(0, (w) => report(w, {})),
      ),
    ).toMatchObject({ code: 'RECOVERED' });
    expect(world.writes).toEqual([]);
    report(world, bad);
    world.record();
    expect(world.run(what)).toEqual(done);
  });
});
