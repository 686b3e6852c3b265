import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject, KubernetesEffect } from '../../src/shared/effect.ts';
import { type KubernetesReply, performKubernetes } from '../../src/shared/kubernetes/client.ts';
import { HeartbeatLease } from '../../src/shared/kubernetes/heartbeat-lease.ts';
import { objectIn, textIn } from '../../src/shared/kubernetes/json-reader.ts';
import { LeaderLease } from '../../src/shared/kubernetes/leader-lease.ts';
import { Recorder } from '../../src/shared/kubernetes/recorder.ts';
import { Transport } from '../../src/shared/kubernetes/transport.ts';
import type { Notice } from '../../src/shared/mode.ts';
import { fenceAnnotation } from '../../src/shared/names.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { type ApiServer, startApiServer } from '../double/api-server.ts';
import { Store } from '../model/store.ts';
import { silentLog } from '../silent-log.ts';
import { apiServerAt, until } from '../unit/shared/kubernetes/api-server.ts';

let store: Store;
let api: ApiServer;
let transport: Transport;

beforeEach(async () => {
  store = new Store({ wallTime: () => Date.now() });
  api = await startApiServer({ store });
  transport = new Transport({
    server: apiServerAt(api.url),
    clock: systemClock,
    random: Math.random,
    limit: undefined,
  });
});

afterEach(async () => {
  transport.close();
  await api[Symbol.asyncDispose]();
});

function perform(effect: KubernetesEffect, deadlineMs = 1000): Promise<KubernetesReply> {
  return performKubernetes(transport, effect, deadlineMs);
}

function uidOf(reply: KubernetesReply): string {
  return textIn(objectIn(reply.body?.metadata).uid);
}

const va = {
  target: 'kubernetes',
  resource: 'volumeattachments',
  namespace: '',
  name: 'csi-1',
} as const;
const vaBody: JsonObject = {
  metadata: { name: 'csi-1', finalizers: ['example.com/hold'] },
  spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'pv' } },
};
const lease = { target: 'kubernetes', resource: 'leases', namespace: 'ns', name: 'l' } as const;

describe('effects', () => {
  it('update only what was read', async () => {
    const body = { metadata: { namespace: 'ns', name: 'l' }, spec: { holderIdentity: 'a' } };
    const created = await perform({ ...lease, verb: 'create', body });
    expect(created.status).toBe(201);
    expect((await perform({ ...lease, verb: 'create', body })).status).toBe(409);
    const changed = { ...created.body, spec: { holderIdentity: 'b' } };
    expect((await perform({ ...lease, verb: 'update', body: changed })).status).toBe(200);
    expect((await perform({ ...lease, verb: 'update', body: changed })).status).toBe(409);
    const read = await perform({ ...lease, verb: 'get' });
    expect(objectIn(read.body?.spec).holderIdentity).toBe('b');
  });

  it('patch and delete only the object of this uid', async () => {
    const uid = uidOf(await perform({ ...va, verb: 'create', body: vaBody }));
    const annotate = (metadata: JsonObject) =>
      perform({ ...va, verb: 'patch', body: { metadata } });
    const annotations = { 'example.com/a': 'b' };
    expect((await annotate({ uid: 'other', annotations })).status).toBe(422);
    expect((await annotate({ uid, annotations })).status).toBe(200);
    expect((await perform({ ...va, verb: 'delete', uid: 'other' })).status).toBe(409);
    expect((await perform({ ...va, verb: 'delete', uid })).status).toBe(200);
    // The finalizer holds it.
    const held = await perform({ ...va, verb: 'get' });
    expect(textIn(objectIn(held.body?.metadata).deletionTimestamp)).not.toBe('');
    await annotate({ uid, finalizers: [] });
    expect((await perform({ ...va, verb: 'get' })).status).toBe(404);
  });

  it('say what is not there, and that nobody answers', async () => {
    expect((await perform({ ...lease, verb: 'get' })).status).toBe(404);
    api.hang(true);
    expect((await perform({ ...lease, verb: 'get' }, 60)).status).toBe(0);
    await api.refuse(true);
    expect((await perform({ ...lease, verb: 'get' }, 200)).status).toBe(0);
  });

  it('come again after 429, but a write whose answer was lost does not', async () => {
    api.respond429(1, 0);
    const body = { metadata: { namespace: 'ns', name: 'l' }, spec: {} };
    expect((await perform({ ...lease, verb: 'create', body })).status).toBe(201);
    const off = api.onRequest(() => ({ dropAfter: true }));
    const patch = { metadata: { labels: { a: 'b' } } };
    expect((await perform({ ...lease, verb: 'patch', body: patch })).status).toBe(0);
    off();
    const patches = api.mutations.filter(({ method }) => method === 'PATCH');
    expect(patches).toHaveLength(1);
  });
});

describe('HeartbeatLease', () => {
  it('and a fence record never overwrite each other', async () => {
    const heartbeat = new HeartbeatLease({
      perform,
      namespace: 'ns',
      driver: 'd.csi',
      node: 'w',
      bootId: 'b',
      durationMs: 10_000,
      clock: systemClock,
    });
    await heartbeat.renew('r0', 1000);
    const place = { ...lease, name: 'd.csi.w' };
    let beats = 0;
    const beating = (async () => {
      for (; beats < 30; beats += 1) await heartbeat.renew(`r${beats}`, 1000);
    })();
    let writes = 0;
    for (let epoch = 0; epoch < 10; epoch += 1) {
      const { body } = await perform({ ...place, verb: 'get' });
      const metadata = objectIn(body?.metadata);
      const annotations = { ...objectIn(metadata.annotations), [fenceAnnotation]: `e${epoch}` };
      const changed = { ...body, metadata: { ...metadata, annotations } };
      const { status } = await perform({ ...place, verb: 'update', body: changed });
      if (status === 200) writes += 1;
      else continue;
      const read = await perform({ ...place, verb: 'get' });
      const now = objectIn(objectIn(read.body?.metadata).annotations)[fenceAnnotation];
      expect(now).toBe(`e${epoch}`);
    }
    await beating;
    const last = await heartbeat.renew('end', 1000);
    expect(last.outcome.kind).toBe('Done');
    if (writes > 0) expect(last.fence).toMatch(/^e\d$/);
    const stored = store.find('leases', 'd.csi.w', 'ns')?.metadata.annotations;
    expect(stored?.['csi-failover.io/report']).toBe('end');
  });
});

describe('LeaderLease', () => {
  function candidate(identity: string) {
    const state = { leading: false };
    const election = new LeaderLease({
      perform,
      namespace: 'ns',
      driver: 'd.csi',
      identity,
      leaseDurationMs: 1000,
      renewDeadlineMs: 600,
      retryPeriodMs: 100,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      onChange: ({ leading }) => {
        state.leading = leading;
      },
    });
    election.start();
    return { election, state };
  }

  it('never has two valid holders, through outages and a hand-over', async () => {
    const all = ['one', 'two', 'three'].map(candidate);
    const valid = () => all.filter(({ election }) => election.valid()).length;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, valid())), 5);
    await until(() => valid() === 1);
    await api.refuse(true);
    await until(() => valid() === 0);
    expect(all.some(({ state }) => state.leading)).toBe(false);
    await api.refuse(false);
    await until(() => valid() === 1, 4000);
    const leader = all.find(({ election }) => election.valid());
    await leader?.election.stop();
    await until(() => valid() === 1);
    await Promise.all(all.map(({ election }) => election.stop()));
    clearInterval(watch);
    expect(most).toBe(1);
    expect(store.find('leases', 'csi-failover-d.csi', 'ns')?.spec?.holderIdentity).toBe('');
  }, 15_000);
});

describe('Recorder', () => {
  it('writes one Event, whoever says the same', async () => {
    const notice: Notice = {
      about: { kind: 'Pod', namespace: 'shop', name: 'mysql-0', uid: 'uid-1' },
      type: 'Warning',
      reason: 'FailoverHeld',
      note: 'Pod shop/mysql-0 is not moved.',
      key: 'k',
      word: 'storm',
    };
    for (const instance of ['replica-1', 'replica-2']) {
      const options = { transport, mode: 'controller', instance, clock: systemClock };
      expect((await new Recorder(options).record(notice)).kind).toBe('Done');
    }
    const events = store.all('events');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      metadata: { namespace: 'shop' },
      involvedObject: { kind: 'Pod', name: 'mysql-0', uid: 'uid-1' },
      reason: 'FailoverHeld',
      type: 'Warning',
      count: 1,
    });
  });
});
