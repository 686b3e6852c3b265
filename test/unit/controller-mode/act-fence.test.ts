import { describe, expect, it } from '@jest/globals';
import type { Action } from '../../../src/controller-mode/actions.ts';
import type { Reply } from '../../../src/shared/effect.ts';
import { attacherFinalizer, holdFinalizer, nodeIdAnnotation } from '../../../src/shared/names.ts';
import { done as isDone, type Outcome } from '../../../src/shared/outcome.ts';
import { driver } from './views.ts';
import { actionFor, attachmentKey, before, podKey, refuse, StoreWorld } from './store-world.ts';

const done = { kind: 'Done' };
const failed = (code: string) => ({ kind: 'Failed', code });

type Refusal = [string, (world: StoreWorld) => void, string];

/** The record stands and the pod is marked. */
function marked(phase: 'Intent' | 'Fenced' | 'Moved' = 'Intent'): StoreWorld {
  const world = new StoreWorld();
  world.record({ phase });
  world.mark();
  return world;
}

function register(world: StoreWorld, nodeID: string): void {
  const drivers = [{ name: driver, nodeID }];
  world.store.create('csinodes', { metadata: { name: 'n1' }, spec: { drivers } });
}

describe('Hold', () => {
  const attachment = (world: StoreWorld) => world.metadata('volumeattachments', attachmentKey);

  it('puts the finalizer on first, then deletes', () => {
    const world = marked();
    expect(world.run(actionFor('Hold', world))).toEqual(done);
    expect(world.writes).toEqual(['patch volumeattachments', 'delete volumeattachments']);
    expect(attachment(world).finalizers).toEqual([attacherFinalizer(driver), holdFinalizer]);
    expect(attachment(world).deletionTimestamp).toBeDefined();
  });

  it.each<Refusal>([
    ['the record is of another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['there is no record', (w) => w.noRecord(), 'OTHER_EPOCH'],
    ['the episode is over', (w) => w.record({ phase: 'Released' }), 'OTHER_PHASE'],
    ['all has moved', (w) => w.record({ phase: 'Moved' }), 'OTHER_PHASE'],
    [
      'it is another attachment of the name',
      (w) => w.replace('volumeattachments', attachmentKey),
      'HTTP_409',
    ],
    [
      'somebody else deletes it',
      (w) => w.store.delete('volumeattachments', attachmentKey),
      'HTTP_409',
    ],
    [
      'the attacher has taken its finalizer off',
      (w) => w.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers: null } }),
      'HTTP_409',
    ],
    [
      'it is gone',
      (w) => {
        w.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers: null } });
        w.store.delete('volumeattachments', attachmentKey);
      },
      'HTTP_404',
    ],
  ])('takes nothing away when %s', (_, change, code) => {
    const world = marked();
    const hold = actionFor('Hold', world);
    change(world);
    expect(world.run(hold)).toMatchObject(failed(code));
    expect(world.writes).toEqual([]);
  });

  it('needs no finalizer of the attacher where that puts none on', () => {
    const world = marked();
    const metadata = { finalizers: null };
    world.store.patch('volumeattachments', attachmentKey, { metadata });
    const hold = { ...actionFor('Hold', world), bare: true } as Action;
    expect(world.run(hold)).toEqual(done);
    expect(attachment(world).finalizers).toEqual([holdFinalizer]);
    expect(attachment(world).deletionTimestamp).toBeDefined();
  });

  it.each([
    ['of the node is another one', 'id-new', 'NODE_ID_CHANGED'],
    ['of the node is the same', 'id-n1', undefined],
    ['is not known', undefined, undefined],
  ])('asks which id the attacher would unpublish: that %s', (_, nodeID, code) => {
    const world = marked();
    const annotations = { [nodeIdAnnotation]: 'id-n1' };
    world.store.patch('volumeattachments', attachmentKey, { metadata: { annotations } });
    const hold = actionFor('Hold', world);
    if (nodeID !== undefined) register(world, nodeID);
    expect(world.run(hold)).toMatchObject(code === undefined ? done : failed(code));
    expect(world.writes).toHaveLength(code === undefined ? 2 : 0);
  });

  it('takes nothing away where the attacher has put no finalizer on', () => {
    const world = marked();
    world.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers: null } });
    expect(world.run(actionFor('Hold', world))).toMatchObject(failed('NOT_ATTACHED'));
    expect(world.writes).toEqual([]);
  });

  it('goes on with one that was begun, as long as it stands', () => {
    const world = marked();
    world.hold('begun');
    const hold = actionFor('Hold', world);
    const undone = before(1, (w) => {
      const finalizers = [attacherFinalizer(driver)];
      w.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers } });
    });
    expect(world.run(hold, undone)).toMatchObject(failed('NOT_HELD'));
    world.hold('begun');
    expect(world.run(hold)).toEqual(done);
    expect(attachment(world).deletionTimestamp).toBeDefined();
  });

  it('takes no successor of one that was begun', () => {
    const world = marked();
    world.hold('begun');
    const hold = actionFor('Hold', world);
    world.replace('volumeattachments', attachmentKey);
    expect(world.run(hold)).toMatchObject(failed('REPLACED'));
    expect(attachment(world).deletionTimestamp).toBeUndefined();
  });

  it('loses the race against a change of the attachment', () => {
    const world = marked();
    const deleted = before(1, (w) => w.store.delete('volumeattachments', attachmentKey));
    expect(world.run(actionFor('Hold', world), deleted)).toMatchObject(failed('HTTP_409'));
    expect(attachment(world).finalizers).toEqual([attacherFinalizer(driver)]);
  });

  it('does not delete when the episode ended after the finalizer', () => {
    const world = marked();
    const ended = before(2, (w) => w.record({ phase: 'Released' }));
    expect(world.run(actionFor('Hold', world), ended)).toMatchObject(failed('OTHER_PHASE'));
    expect(attachment(world).deletionTimestamp).toBeUndefined();
  });

  it('deletes no successor of the attachment', () => {
    const world = marked();
    const replaced = before(3, (w) => w.replace('volumeattachments', attachmentKey));
    world.run(actionFor('Hold', world), replaced);
    expect(attachment(world).deletionTimestamp).toBeUndefined();
  });

  it.each([0, 1, 2, 3])('is unknown when request %i is not answered', (at) => {
    const world = marked();
    expect(world.run(actionFor('Hold', world), refuse(at, 0)).kind).toBe('Unknown');
  });
});

describe('Evict', () => {
  const pod = (world: StoreWorld) => world.body('pods', podKey);

  function confirmed(): StoreWorld {
    const world = marked('Fenced');
    world.hold('held');
    world.writes.length = 0;
    return world;
  }

  it('writes Failed with a condition that people can read, and then deletes', () => {
    const world = confirmed();
    const seen: unknown[] = [];
    const look = before(5, (w) => seen.push(pod(w)?.status));
    expect(world.run(actionFor('Evict', world), look)).toEqual(done);
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'VolumeFailover' }];
    expect(seen).toMatchObject([{ phase: 'Failed', conditions }]);
    expect(world.writes).toEqual(['patch pods', 'delete pods']);
    expect(pod(world)).toBeUndefined();
  });

  it.each<Refusal>([
    ['the record is of another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['all has moved', (w) => w.record({ phase: 'Moved' }), 'OTHER_PHASE'],
    ['the pod is not marked', (w) => unmark(w), 'NO_INTENT'],
    ['the mark is of another episode', (w) => w.mark({ epoch: '6' }), 'NO_INTENT'],
    ['the mark is a copy of another pod', (w) => w.mark({ uid: 'other' }), 'NO_INTENT'],
  ])('does nothing when %s', (_, change, code) => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    change(world);
    expect(world.run(evict)).toMatchObject(failed(code));
    expect(world.writes).toEqual([]);
  });

  it.each<[string, (world: StoreWorld) => void]>([
    ['has been dropped', (w) => drop(w)],
    [
      'has been dropped, and the volume is attached there again',
      (w) => {
        drop(w);
        w.attach();
      },
    ],
    ['is another one', (w) => w.replace('volumeattachments', attachmentKey)],
  ])('does nothing when a hold that it rests on %s', (_, change) => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    change(world);
    expect(world.run(evict)).toMatchObject(failed('NOT_HELD'));
    expect(world.writes).toEqual([]);
  });

  function drop(world: StoreWorld): void {
    world.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers: null } });
  }

  it.each(['begun', 'fencing'] as const)('does nothing when a hold is only %s', (stage) => {
    const world = marked('Fenced');
    world.hold(stage);
    const before = world.writes.length;
    expect(world.run(actionFor('Evict', world))).toMatchObject(failed('NOT_HELD'));
    expect(world.writes).toHaveLength(before);
  });

  it('does nothing when the attacher may have unpublished another id than that of the volume', () => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    register(world, 'id-new');
    expect(world.run(evict)).toMatchObject(failed('NODE_ID_CHANGED'));
    expect(world.writes).toEqual([]);
  });

  it('nor does the mark that tells the instances of other drivers that the volumes are fenced', () => {
    const world = confirmed();
    const mark = { ...actionFor('MarkPod', world), nodeIds: ['id-n1'] } as Action;
    register(world, 'id-new');
    expect(world.run(mark)).toMatchObject(failed('NODE_ID_CHANGED'));
    expect(world.writes).toEqual([]);
  });

  it('needs no hold for a pod that has finished', () => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    drop(world);
    const status = { phase: 'Failed' };
    world.store.patch('pods', podKey, { status }, { subresource: 'status' });
    expect(world.run(evict)).toEqual(done);
    expect(world.writes).toEqual(['delete pods']);
  });

  function unmark(world: StoreWorld): void {
    world.store.patch('pods', podKey, { metadata: { annotations: null } });
  }

  it.each([0, 1, 2, 3, 4, 5])('never touches a replacement that came before request %i', (at) => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    const replaced = before(at, (w) => {
      w.replace('pods', podKey);
      w.store.patch('pods', podKey, { status: { phase: 'Running' } }, { subresource: 'status' });
    });
    world.run(evict, replaced);
    expect(pod(world)?.status).toEqual({ phase: 'Running' });
    expect(world.metadata('pods', podKey).deletionTimestamp).toBeUndefined();
  });

  it('takes a pod that is gone for done', () => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    world.store.delete('pods', podKey, { gracePeriodSeconds: 0 });
    expect(world.run(evict)).toEqual(done);
  });

  it('does not call a pod Failed that finished meanwhile', () => {
    const world = confirmed();
    const evict = actionFor('Evict', world);
    const status = { phase: 'Succeeded' };
    const finished = before(4, (w) =>
      w.store.patch('pods', podKey, { status }, { subresource: 'status' }),
    );
    expect(world.run(evict, finished)).toMatchObject(failed('HTTP_409'));
    expect(pod(world)?.status).toMatchObject(status);
  });

  it('keeps the other conditions of the pod', () => {
    const world = confirmed();
    const conditions = [
      { type: 'Ready', status: 'False' },
      { type: 'DisruptionTarget', status: 'False' },
    ];
    const status = { phase: 'Running', conditions };
    world.store.patch('pods', podKey, { status }, { subresource: 'status' });
    let seen: unknown;
    world.run(
      actionFor('Evict', world),
      before(5, (w) => {
        seen = (pod(w) as unknown as { status: { conditions: unknown } }).status.conditions;
      }),
    );
    expect((seen as { type: string }[]).map(({ type }) => type)).toEqual([
      'Ready',
      'DisruptionTarget',
    ]);
  });
});

describe('DropHold', () => {
  it('lets the attachment go', () => {
    const world = marked('Fenced');
    world.hold('held');
    expect(world.run(actionFor('DropHold', world))).toEqual(done);
    expect(world.body('volumeattachments', attachmentKey)).toBeUndefined();
  });

  it.each<Refusal>([
    ['the record is an intent', (w) => w.record({ phase: 'Intent' }), 'OTHER_PHASE'],
    ['the record is of another epoch', (w) => w.record({ epoch: '8' }), 'OTHER_EPOCH'],
    ['there is no record', (w) => w.noRecord(), 'OTHER_EPOCH'],
  ])('keeps it when %s', (_, change, code) => {
    const world = marked('Fenced');
    world.hold('held');
    const drop = actionFor('DropHold', world);
    change(world);
    expect(world.run(drop)).toMatchObject(failed(code));
    expect(world.body('volumeattachments', attachmentKey)).toBeDefined();
  });

  it.each(['begun', 'fencing'] as const)('keeps one that is only %s', (stage) => {
    const world = marked('Fenced');
    world.hold(stage);
    expect(world.run(actionFor('DropHold', world))).toMatchObject(failed('NOT_HELD'));
  });

  it('leaves a successor of the attachment alone', () => {
    const world = marked('Fenced');
    world.hold('held');
    const drop = actionFor('DropHold', world);
    world.replace('volumeattachments', attachmentKey);
    world.hold('held');
    expect(world.run(drop)).toMatchObject(failed('HTTP_409'));
    expect(world.body('volumeattachments', attachmentKey)).toBeDefined();
  });
});

describe('VerifyRevoked', () => {
  const answer =
    (nodes: [string, string[]][], outcome: Outcome = isDone) =>
    (): Reply => ({
      target: 'csi',
      outcome,
      publishedNodes: new Map(nodes),
    });
  const unimplemented: Outcome = { kind: 'Failed', code: 'UNIMPLEMENTED', detail: '' };
  const unavailable: Outcome = { kind: 'Unknown', code: 'UNAVAILABLE', detail: '' };

  it.each<[string, () => Reply, object]>([
    ['the node is not in the list', answer([['vol-web-0', ['id-n2']]]), done],
    ['the list is empty', answer([['vol-web-0', []]]), done],
    ['the node is in the list', answer([['vol-web-0', ['id-n1']]]), failed('STILL_PUBLISHED')],
    [
      'an id that no node goes by is in the list',
      answer([['vol-web-0', ['id-n2', 'id-old']]]),
      failed('PUBLISHED_TO_STRANGER'),
    ],
    ['the volume is not listed', answer([['vol-other', []]]), failed('NOT_LISTED')],
    ['the driver does not answer', answer([], unavailable), unavailable],
    ['the driver has no such listing at all', answer([], unimplemented), done],
  ])('when %s', (_, reply, outcome) => {
    const world = marked();
    expect(world.run(actionFor('VerifyRevoked', world), reply)).toMatchObject(outcome);
  });

  it('proves nothing about a node without an id', () => {
    const world = marked();
    const volumes = [{ handle: 'vol-web-0', nodeId: '', uid: 'uid-1' }];
    const verify = { ...actionFor('VerifyRevoked', world), volumes } as Action;
    const listing = answer([['vol-web-0', ['id-n1']]]);
    expect(world.run(verify, listing)).toMatchObject(failed('NO_NODE_ID'));
  });

  it('confirms what it can, and nothing beyond that', () => {
    const world = marked();
    const volumes = ['a', 'b', 'c', 'd'].map((name) => ({
      handle: name,
      nodeId: name === 'd' ? '' : 'id-n1',
      uid: `uid-${name}`,
    }));
    const verify = { ...actionFor('VerifyRevoked', world), volumes } as Action;
    const nodes: [string, string[]][] = [
      ['a', ['id-n2']],
      ['b', ['id-n1']],
      ['d', []],
    ];
    expect(world.run(verify, answer(nodes))).toEqual({ kind: 'Done', only: ['uid-a'] });
  });
});
