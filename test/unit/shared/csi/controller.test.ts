import { describe, expect, it } from '@jest/globals';
import type { CsiEffect } from '../../../../src/shared/effect.ts';
import { performCsi } from '../../../../src/shared/csi/controller.ts';
import type { CsiController } from '../../../../src/shared/csi/controller.ts';
import { CsiError } from '../../../driver/reply.ts';
import type { Handler } from '../../../driver/services.ts';
import { scratch } from './scratch-driver.ts';
import { until } from '../../../until.ts';

async function publishedNodes(controller: CsiController, ...handles: string[]) {
  const effect: CsiEffect = { target: 'csi', call: 'PublishedNodes', handles };
  const reply = await performCsi(controller, effect);
  if (reply.target !== 'csi') throw new Error('not a reply of the driver');
  return { outcome: reply.outcome, nodes: Object.fromEntries(reply.publishedNodes) };
}

function entry(handle: string, ...nodes: string[]) {
  return { volume: { volume_id: handle }, status: { published_node_ids: nodes } };
}

/** An absent token is the empty one. */
function text(token: unknown): string {
  return typeof token === 'string' ? token : '';
}

/** A driver whose ListVolumes is this. */
function listing(ListVolumes: Handler) {
  return { override: { ListVolumes } };
}

describe('controller capabilities', () => {
  it('are facts, and LIST_VOLUME_HEALTH implies GET_VOLUME_HEALTH', async () => {
    await using s = scratch();
    const capabilities = ['PUBLISH_UNPUBLISH_VOLUME', 'GET_VOLUME', 'LIST_VOLUME_HEALTH', '4711'];
    await s.driver({ capabilities });
    expect((await s.controller.capabilities()).capabilities).toEqual({
      publishUnpublish: true,
      listVolumes: false,
      listVolumesPublishedNodes: false,
      getVolume: true,
      volumeCondition: false,
      getVolumeHealth: true,
      listVolumeHealth: true,
    });
  });

  it('are asked for once per connection, and again of a driver that was restarted', async () => {
    await using s = scratch();
    const first = await s.driver({ capabilities: ['LIST_VOLUMES'] });
    expect((await s.controller.capabilities()).capabilities?.publishUnpublish).toBe(false);
    await s.controller.capabilities();
    expect(first.calls).toEqual(['ControllerGetCapabilities']);
    await first[Symbol.asyncDispose]();
    await until(() => !s.connection.connected);
    await s.driver({ capabilities: ['PUBLISH_UNPUBLISH_VOLUME'] });
    await until(() => s.connection.connected);
    expect((await s.controller.capabilities()).capabilities).toMatchObject({
      publishUnpublish: true,
      listVolumes: false,
    });
  });

  it('are unknown, not none, while the driver does not tell', async () => {
    await using s = scratch();
    const driver = await s.driver({ faults: { ControllerGetCapabilities: 'hang' } });
    const silent = await s.hasty.capabilities();
    expect(silent).toMatchObject({ outcome: { code: 'DEADLINE_EXCEEDED' } });
    expect(silent.capabilities).toBeUndefined();
    expect((await publishedNodes(s.hasty, 'v')).outcome.kind).toBe('Unknown');
    driver.faults.set('ControllerGetCapabilities', undefined);
    let known = silent.capabilities;
    while (known === undefined) known = (await s.hasty.capabilities()).capabilities;
    expect(known.publishUnpublish).toBe(true);
  });
});

describe('published nodes', () => {
  it('come from all pages; a volume that is not listed is absent', async () => {
    await using s = scratch();
    const pages: Record<string, object> = {
      '': { entries: [entry('a', 'n1'), entry('b')], next_token: 'x' },
      x: { entries: [entry('c', 'n1', 'n2'), entry('d', 'n3')], next_token: 'y' },
      y: { entries: [] },
    };
    const list: Handler = (request) => pages[text(request.starting_token)] ?? {};
    await s.driver(listing(list));
    expect(await publishedNodes(s.controller, 'a', 'b', 'c', 'gone')).toEqual({
      outcome: { kind: 'Done' },
      nodes: { a: ['n1'], b: [], c: ['n1', 'n2'] },
    });
  });

  it('are all that a volume was listed with, if it was listed more than once', async () => {
    await using s = scratch();
    const entries = [entry('a', 'n1'), {}, { status: {} }, entry('a', 'n2', 'n1'), entry('a')];
    await s.driver(listing(() => ({ entries })));
    expect((await publishedNodes(s.controller, 'a')).nodes).toEqual({ a: ['n1', 'n2'] });
  });

  it('are none for a volume that came without a status', async () => {
    await using s = scratch();
    const entries = [{ volume: { volume_id: 'a' } }];
    await s.driver(listing(() => ({ entries })));
    expect((await publishedNodes(s.controller, 'a')).nodes).toEqual({ a: [] });
  });

  it('come whole from a listing of 60,000 volumes, in one page or in many', async () => {
    await using s = scratch();
    const all = Array.from({ length: 60_000 }, (_, i) => entry(`volume-${i}`, `node-${i % 100}`));
    let pageSize = all.length;
    const list: Handler = (request) => {
      const begin = Number(request.starting_token ?? 0);
      const end = begin + pageSize;
      const next_token = end < all.length ? String(end) : '';
      return { entries: all.slice(begin, end), next_token };
    };
    await s.driver(listing(list));
    for (pageSize of [all.length, 5_000]) {
      const { outcome, nodes } = await publishedNodes(s.controller, 'volume-0', 'volume-59999');
      expect(outcome).toEqual({ kind: 'Done' });
      expect(nodes).toEqual({ 'volume-0': ['node-0'], 'volume-59999': ['node-99'] });
    }
  }, 20_000);

  it.each([
    { what: 'gives the same token for ever', next: () => 'x' },
    { what: 'goes round in circles', next: (token: string) => (token === 'x' ? 'y' : 'x') },
  ])('are unknown if the driver $what', async ({ next }) => {
    await using s = scratch();
    const list: Handler = ({ starting_token }) => ({
      entries: [entry('a')],
      next_token: next(text(starting_token)),
    });
    const driver = await s.driver(listing(list));
    const { outcome, nodes } = await publishedNodes(s.controller, 'a');
    expect(outcome).toMatchObject({ kind: 'Unknown', code: 'PAGES_LOOP' });
    expect(nodes).toEqual({});
    expect(driver.calls.length).toBeLessThan(6);
  });

  it('are unknown if there is always one more page', async () => {
    await using s = scratch();
    let pages = 0;
    const list: Handler = async () => {
      pages += 1;
      await new Promise((resolve) => setTimeout(resolve, 40));
      return { entries: [entry('a')], next_token: String(pages) };
    };
    await s.driver(listing(list));
    const { outcome } = await publishedNodes(s.controllerWith(100), 'a');
    expect(outcome).toMatchObject({ kind: 'Unknown', code: 'DEADLINE_EXCEEDED' });
  });

  it('begin again when a token has expired, and forget what was read before', async () => {
    await using s = scratch();
    let passes = 0;
    const list: Handler = ({ starting_token }) => {
      if (starting_token === undefined) {
        passes += 1;
        return { entries: [entry('a', `n${passes}`)], next_token: 'x' };
      }
      if (passes < 3) throw new CsiError('ABORTED', 'the token has expired');
      return { entries: [] };
    };
    await s.driver(listing(list));
    expect((await publishedNodes(s.controller, 'a')).nodes).toEqual({ a: ['n3'] });
  });

  it('are unknown if the listing is aborted again and again', async () => {
    await using s = scratch();
    const driver = await s.driver({ faults: { ListVolumes: { code: 'ABORTED' } } });
    expect((await publishedNodes(s.controller, 'a')).outcome).toMatchObject({
      kind: 'Unknown',
      code: 'ABORTED',
    });
    expect(driver.calls.filter((call) => call === 'ListVolumes')).toHaveLength(4);
  });

  it('say so when the driver advertises a listing that it does not have', async () => {
    await using s = scratch();
    await s.driver({ faults: { ListVolumes: { code: 'UNIMPLEMENTED' } } });
    const { outcome } = await publishedNodes(s.controller, 'a');
    expect(outcome).toMatchObject({ kind: 'Failed', code: 'UNIMPLEMENTED' });
    expect(outcome).toMatchObject({ detail: expect.stringContaining('advertises') });
  });

  it.each([[['LIST_VOLUMES']], [['LIST_VOLUMES_PUBLISHED_NODES']], [[]]])(
    'are not read from a driver that can only %p',
    async (capabilities) => {
      await using s = scratch();
      const driver = await s.driver({ capabilities });
      const { outcome } = await publishedNodes(s.controller, 'a');
      expect(outcome).toMatchObject({ kind: 'Failed', code: 'UNIMPLEMENTED' });
      expect(driver.calls).not.toContain('ListVolumes');
    },
  );

  it.each(['hang', { code: 'INTERNAL' }] as const)('are unknown at %p', async (fault) => {
    await using s = scratch();
    await s.driver({ faults: { ListVolumes: fault } });
    const { outcome, nodes } = await publishedNodes(s.hasty, 'a');
    expect(outcome.kind).toBe('Unknown');
    expect(nodes).toEqual({});
  });
});
