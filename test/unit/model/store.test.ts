import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import { Store } from '../../model/store.ts';
import type { Place } from '../../model/verbs.ts';

const place: Place = { namespace: 'default', name: 'p' };

function newStore(): Store {
  return new Store({ wallTime: () => Date.UTC(2026, 0, 1) });
}

function withPod(spec: JsonObject = { nodeName: 'n' }, metadata: JsonObject = {}): Store {
  const store = newStore();
  store.create('pods', { metadata: { ...place, ...metadata }, spec });
  return store;
}

function uidOf(store: Store): string {
  return store.find('pods', 'p', 'default')?.metadata.uid ?? '';
}

describe('create', () => {
  it('stamps uid, version, generation and time, and refuses the same name twice', () => {
    const store = newStore();
    const created = store.create('pods', { metadata: { ...place }, spec: {} });
    expect(created).toMatchObject({
      ok: true,
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          resourceVersion: '1001',
          generation: 1,
          creationTimestamp: '2026-01-01T00:00:00Z',
        },
        status: { phase: 'Pending' },
      },
    });
    const again = store.create('pods', { metadata: { ...place }, spec: {} });
    expect(again).toMatchObject({ ok: false, status: 409, reason: 'AlreadyExists' });
  });

  it('makes names from generateName, all different', () => {
    const store = newStore();
    for (let i = 0; i < 50; i += 1) {
      store.create('pods', { metadata: { generateName: 'p-', namespace: 'default' }, spec: {} });
    }
    expect(store.all('pods')).toHaveLength(50);
  });

  it('adds the default tolerations unless the pod brings its own', () => {
    const keys = (store: Store): readonly (string | undefined)[] =>
      (store.find('pods', 'p', 'default')?.spec.tolerations ?? []).map(({ key }) => key);
    expect(keys(withPod())).toHaveLength(2);
    expect(keys(withPod({ tolerations: [{ operator: 'Exists' }] }))).toStrictEqual([undefined]);
  });

  it.each([
    ['a name with capitals', 'nodes', { metadata: { name: 'Node' } }],
    [
      'a label value that is too long',
      'nodes',
      { metadata: { name: 'n', labels: { a: 'x'.repeat(64) } } },
    ],
    [
      'an annotation key that is no qualified name',
      'nodes',
      { metadata: { name: 'n', annotations: { 'a/b/c': '' } } },
    ],
    [
      'a finalizer that is no qualified name',
      'nodes',
      { metadata: { name: 'n', finalizers: ['a b'] } },
    ],
    [
      'two taints of one key and effect',
      'nodes',
      {
        metadata: { name: 'n' },
        spec: {
          taints: [
            { key: 'k', value: 'a', effect: 'NoSchedule' },
            { key: 'k', value: 'b', effect: 'NoSchedule' },
          ],
        },
      },
    ],
  ] as const)('refuses %s', (_what, resource, object) => {
    expect(newStore().create(resource, object)).toMatchObject({ ok: false, status: 422 });
  });
});

describe('update and patch', () => {
  it('answers 409 to a stale resourceVersion, and 422 to a patch of the uid', () => {
    const store = withPod();
    const pod = store.find('pods', 'p', 'default');
    const next = { ...pod, spec: { ...pod?.spec, activeDeadlineSeconds: 5 } } as JsonObject;
    expect(store.update('pods', next).ok).toBe(true);
    expect(store.update('pods', next)).toMatchObject({ status: 409, reason: 'Conflict' });
    const other = { metadata: { uid: 'other', labels: { a: 'b' } } };
    expect(store.patch('pods', place, other)).toMatchObject({ status: 422 });
    const stale = { metadata: { resourceVersion: '1', labels: { a: 'b' } } };
    expect(store.patch('pods', place, stale)).toMatchObject({ status: 409 });
  });

  it('keeps status and spec apart, and counts changes of the spec', () => {
    const store = withPod();
    const body = { metadata: { labels: { a: 'b' } }, status: { phase: 'Running' } };
    expect(store.patch('pods', place, body)).toMatchObject({
      object: { metadata: { labels: { a: 'b' }, generation: 1 }, status: { phase: 'Pending' } },
    });
    const status = {
      metadata: { labels: { a: 'c' } },
      spec: { activeDeadlineSeconds: 7 },
      status: { phase: 'Running' },
    };
    expect(store.patch('pods', place, status, { subresource: 'status' })).toMatchObject({
      object: { metadata: { labels: { a: 'c' }, generation: 1 }, status: { phase: 'Running' } },
    });
    const spec = { spec: { activeDeadlineSeconds: 5 } };
    expect(store.patch('pods', place, spec)).toMatchObject({
      object: { metadata: { generation: 2 } },
    });
  });

  it('does not count a write that changes nothing', () => {
    const store = withPod();
    const before = store.resourceVersion;
    store.patch('pods', place, { spec: { nodeName: 'n' } });
    expect(store.resourceVersion).toBe(before);
  });

  it('keeps what has not changed as the very same object, whoever wrote it down anew', () => {
    const store = newStore();
    store.create('nodes', {
      metadata: { name: 'n', labels: { a: 'b' }, annotations: { x: '1' } },
      spec: { taints: [{ key: 'one', effect: 'NoSchedule' }] },
    });
    const before = store.find('nodes', 'n');
    const copy = structuredClone(before) as unknown as JsonObject & { metadata: JsonObject };
    store.update('nodes', { ...copy, metadata: { ...copy.metadata, annotations: { x: '2' } } });
    const after = store.find('nodes', 'n');
    expect(after?.metadata.annotations).toStrictEqual({ x: '2' });
    expect(after?.metadata.labels).toBe(before?.metadata.labels);
    expect(after?.spec).toBe(before?.spec);
  });

  it('takes fewer members, and fewer items, for a change', () => {
    const store = newStore();
    const taints = ['one', 'two'].map((key) => ({ key, effect: 'NoSchedule' }));
    store.create('nodes', {
      metadata: { name: 'n', labels: { a: 'b', c: 'd' } },
      spec: { taints },
    });
    const place = { name: 'n' };
    store.patch('nodes', place, {
      metadata: { labels: { c: null } },
      spec: { taints: taints.slice(0, 1) },
    });
    const after = store.find('nodes', 'n');
    expect(after?.metadata.labels).toStrictEqual({ a: 'b' });
    expect(after?.spec?.taints).toStrictEqual(taints.slice(0, 1));
  });

  it('demands a resourceVersion in updates of Leases and VolumeAttachments', () => {
    const store = newStore();
    store.create('leases', { metadata: { name: 'l', namespace: 'x' } });
    const blind = { metadata: { name: 'l', namespace: 'x' }, spec: {} };
    expect(store.update('leases', blind)).toMatchObject({ ok: false, status: 422 });
  });

  it('merges conditions by type and finalizers as a set in strategic patches, not in merge patches', () => {
    const store = withPod({ nodeName: 'n' }, { finalizers: ['x.io/a'] });
    const condition = (type: string): JsonObject => ({
      status: { conditions: [{ type, status: 'True' }] },
    });
    const strategic = { type: 'strategic', subresource: 'status' } as const;
    store.patch('pods', place, condition('One'), strategic);
    store.patch('pods', place, condition('Two'), strategic);
    expect(store.find('pods', 'p', 'default')?.status?.conditions).toHaveLength(2);
    store.patch('pods', place, condition('Three'), { subresource: 'status' });
    expect(store.find('pods', 'p', 'default')?.status?.conditions).toHaveLength(1);
    store.patch('pods', place, { metadata: { finalizers: ['x.io/b'] } }, { type: 'strategic' });
    expect(store.find('pods', 'p', 'default')?.metadata.finalizers).toHaveLength(2);
    const removal = { metadata: { '$deleteFromPrimitiveList/finalizers': ['x.io/a'] } };
    store.patch('pods', place, removal, { type: 'strategic' });
    expect(store.find('pods', 'p', 'default')?.metadata.finalizers).toStrictEqual(['x.io/b']);
  });

  it('neither keeps nor freezes what the caller handed in', () => {
    const store = newStore();
    const labels: Record<string, string> = { a: 'b' };
    store.create('nodes', { metadata: { name: 'n', labels } });
    labels['a'] = 'changed';
    expect(store.find('nodes', 'n')?.metadata.labels).toStrictEqual({ a: 'b' });
    expect(Object.isFrozen(store.find('nodes', 'n')?.metadata.labels)).toBe(true);
  });
});

describe('delete', () => {
  it('is graceful for a bound, unfinished pod, and at once with grace 0', () => {
    const store = withPod();
    expect(store.delete('pods', place)).toMatchObject({
      object: {
        metadata: { deletionGracePeriodSeconds: 30, deletionTimestamp: '2026-01-01T00:00:30Z' },
      },
    });
    const options = { uid: uidOf(store), gracePeriodSeconds: 0 };
    expect(store.delete('pods', place, options).ok).toBe(true);
    expect(store.get('pods', place)).toMatchObject({ ok: false, status: 404 });
  });

  it('removes at once what has no node or has finished', () => {
    const unbound = withPod({});
    unbound.delete('pods', place);
    expect(unbound.find('pods', 'p', 'default')).toBeUndefined();
    const finished = withPod();
    finished.patch('pods', place, { status: { phase: 'Failed' } }, { subresource: 'status' });
    finished.delete('pods', place);
    expect(finished.find('pods', 'p', 'default')).toBeUndefined();
  });

  it('answers 409 when the uid is another one', () => {
    const store = withPod();
    expect(store.delete('pods', place, { uid: 'other' })).toMatchObject({ ok: false, status: 409 });
    expect(store.find('pods', 'p', 'default')?.metadata.deletionTimestamp).toBeUndefined();
  });

  it('waits for the finalizers, takes no new ones, and ends with the last', () => {
    const store = newStore();
    const attachment = { name: 'va' };
    store.create('volumeattachments', {
      metadata: { ...attachment, finalizers: ['x.io/a', 'x.io/b'] },
      spec: {},
    });
    store.delete('volumeattachments', attachment);
    const more = { metadata: { finalizers: ['x.io/a', 'x.io/b', 'x.io/c'] } };
    expect(store.patch('volumeattachments', attachment, more)).toMatchObject({ status: 422 });
    store.patch('volumeattachments', attachment, { metadata: { finalizers: ['x.io/b'] } });
    expect(store.find('volumeattachments', 'va')).toBeDefined();
    expect(store.create('volumeattachments', { metadata: attachment, spec: {} }).ok).toBe(false);
    store.patch('volumeattachments', attachment, { metadata: { finalizers: null } });
    expect(store.find('volumeattachments', 'va')).toBeUndefined();
  });

  it('keeps a gracefully deleted pod although its last finalizer went', () => {
    const store = withPod({ nodeName: 'n' }, { finalizers: ['x.io/a'] });
    store.delete('pods', place);
    store.patch('pods', place, { metadata: { finalizers: null } });
    expect(store.find('pods', 'p', 'default')).toBeDefined();
    store.delete('pods', place, { gracePeriodSeconds: 0 });
    expect(store.find('pods', 'p', 'default')).toBeUndefined();
  });
});

describe('list and watch', () => {
  it('selects by namespace, labels and fields, sorted by name', () => {
    const store = newStore();
    const add = (name: string, namespace: string, app: string, nodeName: string): void => {
      store.create('pods', { metadata: { name, namespace, labels: { app } }, spec: { nodeName } });
    };
    add('b', 'x', 'web', 'n1');
    add('a', 'x', 'db', 'n2');
    add('c', 'y', 'web', 'n2');
    const names = (selection: Parameters<Store['list']>[1]): readonly string[] =>
      store.list('pods', selection).items.map((pod) => pod.metadata.name);
    expect(names({})).toStrictEqual(['a', 'b', 'c']);
    expect(names({ namespace: 'x' })).toStrictEqual(['a', 'b']);
    expect(names({ labelSelector: 'app in (web, api),app!=x' })).toStrictEqual(['b', 'c']);
    expect(names({ labelSelector: '!app' })).toStrictEqual([]);
    expect(names({ fieldSelector: 'spec.nodeName=n2,metadata.namespace!=y' })).toStrictEqual(['a']);
    expect(() => names({ fieldSelector: 'spec.other=1' })).toThrow('not supported');
  });

  it('tells every change after a version, and 410 for what was compacted', () => {
    const store = withPod();
    const since = store.resourceVersion;
    store.create('nodes', { metadata: { name: 'n' } });
    store.patch('pods', place, { metadata: { labels: { a: 'b' } } });
    store.delete('pods', place, { gracePeriodSeconds: 0 });
    const answer = store.eventsSince(since, 'pods');
    expect(answer).toMatchObject({
      events: [
        { type: 'MODIFIED', rv: since + 2, old: { metadata: { resourceVersion: String(since) } } },
        {
          type: 'MODIFIED',
          rv: since + 3,
          object: { metadata: { deletionGracePeriodSeconds: 0 } },
        },
        {
          type: 'DELETED',
          rv: since + 4,
          object: { metadata: { resourceVersion: String(since + 4) } },
        },
      ],
    });
    store.compact(since + 3);
    expect(store.eventsSince(since, 'pods')).toMatchObject({ ok: false, status: 410 });
    expect(store.eventsSince(since + 3, 'pods')).toMatchObject({ events: [{ type: 'DELETED' }] });
  });

  it('forgets the oldest events by itself', () => {
    const store = new Store({ wallTime: () => 0, keepEvents: 10 });
    for (let i = 0; i < 100; i += 1) store.create('nodes', { metadata: { name: `n${i}` } });
    expect(store.eventsSince(1_000, 'nodes').ok).toBe(false);
    expect(store.eventsSince(store.resourceVersion - 10, 'nodes').ok).toBe(true);
  });
});
