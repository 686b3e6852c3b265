import { describe, expect, it } from '@jest/globals';
import { CsiNodeHealth } from '../../../../src/shared/csi/node-health.ts';
import { CsiError } from '../../../driver/reply.ts';
import type { Handler, Handlers } from '../../../driver/services.ts';
import { scratch } from './scratch-driver.ts';
import { until } from '../../../until.ts';

const place = { handle: 'vol-1', publishPath: '/k/pods/p/mount', stagingPath: '/k/staged' };

/** What a driver that answers like this is understood to say of the volume. */
async function said(nodeCapabilities: readonly string[], override: Handlers) {
  await using s = scratch();
  await s.driver({ nodeCapabilities, override });
  const node = new CsiNodeHealth({ connection: s.connection, deadlineMs: 3000 });
  const offer = await node.offer();
  return { offer, ...(await node.volume(place)) };
}

function condition(volume_condition: object | undefined): Handlers {
  return { NodeGetVolumeStats: () => ({ usage: [], volume_condition }) };
}

function statuses(...health_statuses: readonly object[]): Handlers {
  return {
    NodeGetVolumeHealth: () => ({ volume_health: { volume_id: 'another-name', health_statuses } }),
  };
}

describe('a volume condition (CSI up to 1.12)', () => {
  const capabilities = ['GET_VOLUME_STATS', 'VOLUME_CONDITION'];

  it.each<readonly [string, object | undefined, string]>([
    ['abnormal', { abnormal: true, message: 'no path' }, 'Abnormal'],
    ['not abnormal, whatever the text', { abnormal: false, message: 'failed?' }, 'Healthy'],
    ['empty but present', {}, 'Healthy'],
    ['absent', undefined, 'Unknown'],
  ])('that is %s', async (_, sent, status) => {
    const { offer, health } = await said(capabilities, condition(sent));
    expect(offer?.volumes).toBe('condition');
    expect(health?.status).toBe(status);
  });

  it('is not asked for where the driver does not say that it means it', async () => {
    const { offer } = await said(['GET_VOLUME_STATS'], condition({}));
    expect(offer).toEqual({ volumes: 'none', storage: false });
  });

  it('has its text brought to one short line', async () => {
    const message = `goroutine 1:\n\tmain.go\u0007 ${'x'.repeat(5000)}`;
    const { health } = await said(capabilities, condition({ abnormal: true, message }));
    expect(health?.message).toMatch(/^goroutine 1: main\.go x+…$/);
    expect(health?.message).toHaveLength(200);
  });
});

describe('volume health (CSI from 1.13)', () => {
  const capabilities = ['GET_VOLUME_HEALTH'];

  it.each<readonly [string, readonly object[], string]>([
    ['no status', [], 'Healthy'],
    ['DEGRADED', [{ status: 1, reason: 'Rebuild' }], 'Degraded'],
    ['INACCESSIBLE', [{ status: 2, reason: 'NoPath' }], 'Inaccessible'],
    ['DATA_LOSS', [{ status: 3, reason: 'Lost' }], 'DataLoss'],
    ['the worst of several', [{ status: 1 }, { status: 2 }, { status: 3 }], 'Inaccessible'],
    ['a number that nobody knows', [{ status: 17, reason: 'New' }], 'Unknown'],
    ['one that nobody knows beside one that is known', [{ status: 17 }, { status: 1 }], 'Degraded'],
    ['a status without a number', [{ reason: 'Odd' }], 'Unknown'],
  ])('with %s', async (_, sent, status) => {
    const { offer, health } = await said(capabilities, statuses(...sent));
    expect(offer?.volumes).toBe('health');
    expect(health?.status).toBe(status);
  });

  it('that is not there says nothing', async () => {
    const answer: Handlers = { NodeGetVolumeHealth: () => ({}) };
    expect((await said(capabilities, answer)).health?.status).toBe('Unknown');
  });

  it('is preferred where a driver offers both', async () => {
    const both = ['GET_VOLUME_STATS', 'VOLUME_CONDITION', 'GET_VOLUME_HEALTH'];
    const answers = { ...condition({}), ...statuses({ status: 2, reason: 'NoPath' }) };
    expect((await said(both, answers)).health).toMatchObject({
      status: 'Inaccessible',
      reason: 'NoPath',
    });
  });

  it.each<readonly [string, readonly string[], object]>([
    ['staged', ['STAGE_UNSTAGE_VOLUME'], { staging_target_path: '/k/staged' }],
    ['not staged by this driver', [], {}],
  ])('is asked for with the paths of a volume that is %s', async (_, more, staging) => {
    const requests: object[] = [];
    const NodeGetVolumeHealth: Handler = (request) => {
      requests.push(request);
      return {};
    };
    await said([...capabilities, ...more], { NodeGetVolumeHealth });
    expect(requests).toEqual([
      { volume_id: 'vol-1', volume_publish_path: place.publishPath, ...staging },
    ]);
  });
});

describe("the node's way to the storage", () => {
  async function storage(answer: Handler) {
    await using s = scratch();
    await s.driver({
      nodeCapabilities: ['GET_STORAGE_HEALTH'],
      override: { NodeGetStorageHealth: answer },
    });
    const node = new CsiNodeHealth({ connection: s.connection, deadlineMs: 3000 });
    const offer = await node.offer();
    return { offer, ...(await node.storage()) };
  }

  it.each<readonly [string, readonly object[], string | undefined]>([
    ['nothing adverse', [], 'ok'],
    ['STORAGE_DEGRADED', [{ status: 1, reason: 'OnePath' }], 'degraded'],
    ['STORAGE_UNREACHABLE', [{ status: 1 }, { status: 2, reason: 'NoPath' }], 'unreachable'],
    ['STORAGE_UNREACHABLE for one kind', [{ status: 2, volume_capability: {} }], 'degraded'],
    [
      'STORAGE_UNREACHABLE for one kind and for all',
      [{ status: 2, volume_capability: {} }, { status: 2 }],
      'unreachable',
    ],
    ['only numbers that nobody knows', [{ status: 9 }], undefined],
  ])('is %s', async (_, backend_health, status) => {
    const answer = await storage(() => ({ backend_health }));
    expect(answer.offer).toEqual({ volumes: 'none', storage: true });
    expect(answer.storage?.status).toBe(status);
  });

  it('is unknown when the call fails', async () => {
    const answer = await storage(() => {
      throw new CsiError('ABORTED', 'busy');
    });
    expect(answer.storage).toBeUndefined();
    expect(answer.outcome).toMatchObject({ kind: 'Unknown', code: 'ABORTED' });
  });
});

describe('what a driver offers', () => {
  it('is forgotten where a call turns out not to be served', async () => {
    await using s = scratch();
    const missing = { code: 'UNIMPLEMENTED' } as const;
    await s.driver({
      nodeCapabilities: ['GET_VOLUME_HEALTH', 'GET_STORAGE_HEALTH'],
      faults: { NodeGetVolumeHealth: missing, NodeGetStorageHealth: missing },
    });
    // A connection that is made by the first call is noticed after it, and then all is read anew.
    await until(() => s.connection.connected);
    const node = new CsiNodeHealth({ connection: s.connection, deadlineMs: 3000 });
    expect(await node.offer()).toEqual({ volumes: 'health', storage: true });
    expect((await node.volume(place)).health).toBeUndefined();
    await node.storage();
    expect(await node.offer()).toEqual({ volumes: 'none', storage: false });
  });

  it('is read again of a driver that was restarted', async () => {
    await using s = scratch();
    const first = await s.driver({ nodeCapabilities: [] });
    const node = new CsiNodeHealth({ connection: s.connection, deadlineMs: 3000 });
    expect((await node.offer())?.volumes).toBe('none');
    await first[Symbol.asyncDispose]();
    await until(() => !s.connection.connected);
    await s.driver({ nodeCapabilities: ['VOLUME_CONDITION'] });
    await until(() => s.connection.connected);
    expect((await node.offer())?.volumes).toBe('condition');
  });

  it('is unknown while the driver does not say', async () => {
    await using s = scratch();
    await s.driver({ faults: { NodeGetCapabilities: { code: 'INTERNAL' } } });
    const node = new CsiNodeHealth({ connection: s.connection, deadlineMs: 3000 });
    expect(await node.offer()).toBeUndefined();
  });
});
