import { describe, expect, it } from '@jest/globals';
import { eventName, Recorder } from '../../../../src/shared/kubernetes/recorder.ts';
import type { Notice } from '../../../../src/shared/mode.ts';
import { FakeClock } from '../../../fake-clock.ts';
import { reply, serve } from './api-server.ts';

const notice: Notice = {
  about: { kind: 'Pod', namespace: 'shop', name: 'mysql-0', uid: 'uid-1' },
  type: 'Warning',
  reason: 'FailoverHeld',
  note: 'Pod shop/mysql-0 is not moved.',
  key: 'unfenceable/e1',
  word: 'unfenceable',
};

async function record(given: Notice, status = 201) {
  await using api = await serve((call) => reply(call, status, { kind: 'x' }));
  const clock = new FakeClock();
  const transport = api.transport();
  const options = { transport, mode: 'controller', instance: 'pod-1', clock };
  const outcome = await new Recorder(options).record(given);
  const [call] = api.calls;
  const event = JSON.parse(call?.body ?? '{}') as Record<string, unknown>;
  return { outcome, event, path: call?.path };
}

describe('Recorder', () => {
  it('writes what kubectl describe shows', async () => {
    const { outcome, event, path } = await record(notice);
    expect(outcome).toEqual({ kind: 'Done' });
    expect(path).toBe('/api/v1/namespaces/shop/events');
    expect(event).toMatchObject({
      metadata: { namespace: 'shop', name: eventName(notice) },
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        namespace: 'shop',
        name: 'mysql-0',
        uid: 'uid-1',
      },
      type: 'Warning',
      reason: 'FailoverHeld',
      message: 'Pod shop/mysql-0 is not moved.',
      action: 'unfenceable',
      count: 1,
      source: { component: 'csi-failover' },
      reportingComponent: 'csi-failover.io/controller',
      reportingInstance: 'pod-1',
      eventTime: '2026-01-01T00:00:00.000000Z',
    });
    expect(String(event.lastTimestamp)).toMatch(/^2026-01-01T00:00:00(\.0+)?Z$/);
  });

  it('puts Events of cluster-scoped objects into namespace default', async () => {
    const about = { kind: 'Node', namespace: '', name: 'worker-1', uid: 'uid-2' } as const;
    const { event, path } = await record({ ...notice, about });
    expect(path).toBe('/api/v1/namespaces/default/events');
    expect(event.involvedObject).not.toHaveProperty('namespace');
  });

  it('counts an Event that exists already as written', async () => {
    expect((await record(notice, 409)).outcome).toEqual({ kind: 'Done' });
  });

  it.each([
    [403, 'Failed'],
    [500, 'Unknown'],
  ])('says after %d that it is not written: %s', async (status, kind) => {
    expect((await record(notice, status)).outcome.kind).toBe(kind);
  });

  it('says Unknown when no answer comes', async () => {
    await using api = await serve((call) => call.socket.destroy());
    const options = {
      transport: api.transport(),
      mode: 'node',
      instance: 'i',
      clock: new FakeClock(),
    };
    expect((await new Recorder(options).record(notice)).kind).toBe('Unknown');
  });

  it('keeps notes within 1024 bytes, characters whole', async () => {
    const { event } = await record({ ...notice, note: '€'.repeat(1000) });
    const message = String(event.message);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
    expect(message).toMatch(/^€{300,}…$/);
  });
});

describe('eventName', () => {
  it('depends on uid and key only, beside the name', () => {
    const again = { ...notice, note: 'other words', reason: 'Other' };
    expect(eventName(again)).toBe(eventName(notice));
    expect(eventName({ ...notice, key: 'k2' })).not.toBe(eventName(notice));
    const about = { ...notice.about, uid: 'uid-9' };
    expect(eventName({ ...notice, about })).not.toBe(eventName(notice));
  });

  it('is a valid name for every object', () => {
    const names = ['a'.repeat(253), `${'a'.repeat(235)}.-${'b'.repeat(10)}`, 'x'];
    for (const name of names) {
      const text = eventName({ ...notice, about: { ...notice.about, name } });
      expect(text.length).toBeLessThanOrEqual(253);
      expect(text).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\.[0-9a-f]{16}$/);
    }
  });

  it('writes another one where the sentence became true again, and only then', async () => {
    const names: string[] = [];
    await using api = await serve((call) => {
      const { metadata } = JSON.parse(call.body) as { metadata: { name: string } };
      const isKnown = names.includes(metadata.name);
      if (!isKnown) names.push(metadata.name);
      reply(call, isKnown ? 409 : 201, { kind: 'x' });
    });
    const options = { transport: api.transport(), mode: 'controller', clock: new FakeClock() };
    const recorder = new Recorder({ ...options, instance: 'pod-1' });
    for (const given of [notice, notice, { ...notice, again: '5' }, { ...notice, again: '5' }]) {
      expect(await recorder.record(given)).toEqual({ kind: 'Done' });
    }
    expect(names).toHaveLength(2);
    await recorder.record({ ...notice, again: '6' });
    await new Recorder({ ...options, instance: 'pod-2' }).record({ ...notice, again: '6' });
    expect(names).toHaveLength(4);
  });
});
