/** The product's client, leases and recorder against any API server, with a way to it that fails. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject, KubernetesEffect } from '../../src/shared/effect.ts';
import { type KubernetesReply, performKubernetes } from '../../src/shared/kubernetes/client.ts';
import { HeartbeatLease } from '../../src/shared/kubernetes/heartbeat-lease.ts';
import { objectIn, textIn } from '../../src/shared/untrusted-json.ts';
import { LeaderLease } from '../../src/shared/kubernetes/leader-lease.ts';
import { Recorder } from '../../src/shared/kubernetes/recorder.ts';
import { Transport } from '../../src/shared/kubernetes/transport.ts';
import type { Notice } from '../../src/shared/mode.ts';
import { fenceAnnotation, reportAnnotation } from '../../src/shared/names.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { silentLog } from '../silent-log.ts';
import { apiServerAt } from '../unit/shared/kubernetes/api-server.ts';
import type { Contender } from './api-suite.ts';
import { Front } from './front.ts';

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
export function clientSuite(open: () => Promise<Contender>): void {
  let contender: Contender;
  /** Past the front. */
  let api: ApiClient;
  let front: Front;
  let transport: Transport;
  let namespace: string;
  let tests = 0;

  beforeAll(async () => {
    contender = await open();
    api = new ApiClient(contender.access);
  }, 120_000);
  afterAll(async () => {
    api?.close();
    await contender?.[Symbol.asyncDispose]();
  }, 60_000);

  beforeEach(async () => {
    tests += 1;
    namespace = `client-${tests}`;
    await api.create('namespaces', { metadata: { name: namespace } });
    front = await Front.start(contender.access);
    transport = new Transport({
      server: apiServerAt(front.url),
      clock: systemClock,
      random: Math.random,
      limit: undefined,
    });
  });
  afterEach(async () => {
    transport.close();
    await front[Symbol.asyncDispose]();
  });

  function perform(effect: KubernetesEffect, deadlineMs = 2000): Promise<KubernetesReply> {
    return performKubernetes(transport, effect, deadlineMs);
  }

  const place = () => ({ target: 'kubernetes', resource: 'leases', namespace, name: 'l' }) as const;
  const leaseBody = (spec: JsonObject): JsonObject => ({
    metadata: { namespace, name: 'l' },
    spec,
  });

  describe('effects', () => {
    it('update only what was read', async () => {
      const body = leaseBody({ holderIdentity: 'a' });
      const created = await perform({ ...place(), verb: 'create', body });
      expect(created.status).toBe(201);
      expect((await perform({ ...place(), verb: 'create', body })).status).toBe(409);
      const changed = { ...created.body, spec: { holderIdentity: 'b' } };
      expect((await perform({ ...place(), verb: 'update', body: changed })).status).toBe(200);
      expect((await perform({ ...place(), verb: 'update', body: changed })).status).toBe(409);
      const read = await perform({ ...place(), verb: 'get' });
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
      expect((await perform({ ...place(), verb: 'get' })).status).toBe(404);
      front.hang(true);
      expect((await perform({ ...place(), verb: 'get' }, 60)).status).toBe(0);
      await front.refuse(true);
      expect((await perform({ ...place(), verb: 'get' }, 200)).status).toBe(0);
    });

    it('come again after 429, but a write whose answer was lost does not', async () => {
      front.respond429(1);
      const body = leaseBody({});
      expect((await perform({ ...place(), verb: 'create', body })).status).toBe(201);
      front.loseAnswers(true);
      const patch = { metadata: { labels: { a: 'b' } } };
      expect((await perform({ ...place(), verb: 'patch', body: patch })).status).toBe(0);
      front.loseAnswers(false);
      const patches = front.passed.filter((method) => method === 'PATCH');
      expect(patches).toHaveLength(1);
    });
  });

  describe('HeartbeatLease', () => {
    it('and a fence record never overwrite each other', async () => {
      const heartbeat = new HeartbeatLease({
        perform,
        namespace,
        driver: 'd.csi',
        node: 'w',
        bootId: 'b',
        durationMs: 10_000,
        clock: systemClock,
      });
      await heartbeat.renew('r0', 1000);
      const heart = { ...place(), name: 'd.csi.w' };
      let beats = 0;
      const beating = (async () => {
        for (; beats < 30; beats += 1) await heartbeat.renew(`r${beats}`, 1000);
      })();
      let writes = 0;
      for (let epoch = 0; epoch < 10; epoch += 1) {
        const { body } = await perform({ ...heart, verb: 'get' });
        const metadata = objectIn(body?.metadata);
        const annotations = { ...objectIn(metadata.annotations), [fenceAnnotation]: `e${epoch}` };
        const changed = { ...body, metadata: { ...metadata, annotations } };
        const { status } = await perform({ ...heart, verb: 'update', body: changed });
        if (status === 200) writes += 1;
        else continue;
        const read = await perform({ ...heart, verb: 'get' });
        const now = objectIn(objectIn(read.body?.metadata).annotations)[fenceAnnotation];
        expect(now).toBe(`e${epoch}`);
      }
      await beating;
      const last = await heartbeat.renew('end', 1000);
      expect(last.outcome.kind).toBe('Done');
      if (writes > 0) expect(last.fence).toMatch(/^e\d$/);
      const stored = await api.get('leases', { namespace, name: 'd.csi.w' });
      expect(stored.object?.metadata.annotations?.[reportAnnotation]).toBe('end');
    });
  });

  describe('LeaderLease', () => {
    function candidate(identity: string) {
      const state = { leading: false };
      const election = new LeaderLease({
        perform,
        namespace,
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
      await eventually(() => valid() === 1, { what: 'one leader' });
      await front.refuse(true);
      await eventually(() => valid() === 0, { what: 'no leader' });
      expect(all.some(({ state }) => state.leading)).toBe(false);
      await front.refuse(false);
      await eventually(() => valid() === 1, { what: 'one leader' });
      const leader = all.find(({ election }) => election.valid());
      await leader?.election.stop();
      await eventually(() => valid() === 1, { what: 'one leader' });
      await Promise.all(all.map(({ election }) => election.stop()));
      clearInterval(watch);
      expect(most).toBe(1);
      const left = await api.get('leases', { namespace, name: 'csi-failover-d.csi' });
      expect(left.object?.spec?.holderIdentity ?? '').toBe('');
    }, 15_000);
  });

  describe('Recorder', () => {
    it('writes one Event, whoever says the same', async () => {
      const notice: Notice = {
        about: { kind: 'Pod', namespace, name: 'mysql-0', uid: 'uid-1' },
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
      const events = (await api.list('events', { namespace })) ?? [];
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({
        metadata: { namespace },
        involvedObject: { kind: 'Pod', name: 'mysql-0', uid: 'uid-1' },
        reason: 'FailoverHeld',
        type: 'Warning',
        count: 1,
      });
    });
  });
}
