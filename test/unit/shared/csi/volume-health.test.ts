import { describe, expect, it } from '@jest/globals';
import { type CsiController, performCsi } from '../../../../src/shared/csi/controller.ts';
import { CsiError } from '../../../driver/reply.ts';
import type { Handler } from '../../../driver/services.ts';
import { scratch } from './scratch-driver.ts';
import { until } from '../../../until.ts';

async function ask(controller: CsiController, handle: string) {
  const reply = await performCsi(controller, { target: 'csi', call: 'VolumeHealth', handle });
  if (reply.target !== 'csi') throw new Error('not a reply of the driver');
  return { outcome: reply.outcome, health: reply.health };
}

async function list(controller: CsiController) {
  const { outcome, volumes, omitsHealthy } = await controller.listHealth();
  const words = Object.fromEntries([...volumes].map(([handle, { status }]) => [handle, status]));
  return { outcome, words, omitsHealthy };
}

const older = ['LIST_VOLUMES', 'GET_VOLUME', 'VOLUME_CONDITION'];
const younger = ['LIST_VOLUME_HEALTH'];

function conditioned(handle: string, volume_condition?: object) {
  return { volume: { volume_id: handle }, status: { volume_condition } };
}

function adverse(volume_id: string, ...statuses: number[]) {
  const health_statuses = statuses.map((status) => ({ status, reason: 'Why', message: 'm' }));
  return { volume_id, health_statuses };
}

describe('the health of one volume', () => {
  it.each<readonly [string, readonly string[], Record<string, Handler>, string]>([
    [
      'ControllerGetVolume, bad',
      older,
      { ControllerGetVolume: () => conditioned('v', { abnormal: true, message: 'gone' }) },
      'Abnormal',
    ],
    [
      'ControllerGetVolume, well',
      older,
      { ControllerGetVolume: () => conditioned('v', { message: 'all well' }) },
      'Healthy',
    ],
    [
      'ControllerGetVolume without a condition',
      older,
      { ControllerGetVolume: () => conditioned('v') },
      'Unknown',
    ],
    [
      'ControllerGetVolume with nothing in it',
      older,
      { ControllerGetVolume: () => ({}) },
      'Unknown',
    ],
    [
      'ControllerGetVolumeHealth, well',
      younger,
      { ControllerGetVolumeHealth: () => ({ volume_health: adverse('another') }) },
      'Healthy',
    ],
    [
      'ControllerGetVolumeHealth, the worst of many',
      younger,
      { ControllerGetVolumeHealth: () => ({ volume_health: adverse('v', 1, 2, 3) }) },
      'Inaccessible',
    ],
    [
      'ControllerGetVolumeHealth with a number that nobody knows',
      younger,
      { ControllerGetVolumeHealth: () => ({ volume_health: adverse('v', 4711) }) },
      'Unknown',
    ],
    [
      'ControllerGetVolumeHealth with nothing in it',
      younger,
      { ControllerGetVolumeHealth: () => ({}) },
      'Unknown',
    ],
  ])('by %s', async (_, capabilities, override, status) => {
    await using s = scratch();
    await s.driver({ capabilities, override });
    expect(await ask(s.controller, 'v')).toMatchObject({
      outcome: { kind: 'Done' },
      health: { status },
    });
  });

  it('is asked for in the younger way of a driver that has both', async () => {
    await using s = scratch();
    const override = { ControllerGetVolumeHealth: () => ({ volume_health: adverse('v', 3) }) };
    const driver = await s.driver({ capabilities: [...older, ...younger], override });
    expect((await ask(s.controller, 'v')).health?.status).toBe('DataLoss');
    expect(driver.calls).not.toContain('ControllerGetVolume');
  });

  it.each<readonly [string, readonly string[]]>([
    ['ControllerGetVolume', older],
    ['ControllerGetVolumeHealth', younger],
  ])('is unknown when %s fails, whatever the code', async (method, capabilities) => {
    await using s = scratch();
    const driver = await s.driver({ capabilities });
    for (const code of ['NOT_FOUND', 'ABORTED', 'DATA_LOSS', 'INVALID_ARGUMENT'] as const) {
      driver.faults.set(method, { code });
      const { outcome, health } = await ask(s.controller, 'v');
      expect(outcome).toMatchObject({ code });
      expect(health).toBeUndefined();
    }
  });

  it('is read from the listing of a driver that cannot be asked for one', async () => {
    await using s = scratch();
    const entries = [conditioned('a', { abnormal: true }), conditioned('b', {})];
    const override = { ListVolumes: () => ({ entries }) };
    await s.driver({ capabilities: ['LIST_VOLUMES', 'VOLUME_CONDITION'], override });
    expect((await ask(s.controller, 'a')).health?.status).toBe('Abnormal');
    expect((await ask(s.controller, 'b')).health?.status).toBe('Healthy');
    const missing = await ask(s.controller, 'c');
    expect(missing.outcome).toMatchObject({ kind: 'Unknown', code: 'NOT_LISTED' });
    expect(missing.health).toBeUndefined();
  });

  it('goes over to the listing when the call that was advertised is not served', async () => {
    await using s = scratch();
    const driver = await s.driver({
      capabilities: older,
      override: { ListVolumes: () => ({ entries: [conditioned('v', {})] }) },
      faults: { ControllerGetVolume: { code: 'UNIMPLEMENTED' } },
    });
    expect((await ask(s.controller, 'v')).outcome).toMatchObject({ code: 'UNIMPLEMENTED' });
    expect((await ask(s.controller, 'v')).health?.status).toBe('Healthy');
    expect(driver.calls.filter((call) => call === 'ControllerGetVolume')).toHaveLength(1);
    await driver[Symbol.asyncDispose]();
    await until(() => !s.connection.connected);
    // The driver that comes instead may have it.
    const override = { ControllerGetVolume: () => conditioned('v', { abnormal: true }) };
    await s.driver({ capabilities: older, override });
    await until(() => s.connection.connected);
    expect((await ask(s.controller, 'v')).health?.status).toBe('Abnormal');
  });

  it.each([[[]], [['LIST_VOLUMES', 'GET_VOLUME']], [['VOLUME_CONDITION']]])(
    'is not asked of a driver that can only %p',
    async (capabilities) => {
      await using s = scratch();
      const driver = await s.driver({ capabilities });
      const { outcome, health } = await ask(s.controller, 'v');
      expect(outcome).toMatchObject({ kind: 'Failed', code: 'UNIMPLEMENTED' });
      expect(health).toBeUndefined();
      expect(driver.calls).toEqual(['ControllerGetCapabilities']);
    },
  );
});

describe('a listing of health', () => {
  it('keeps every word, and null entries, empty names and repeats do no harm', async () => {
    await using s = scratch();
    const entries = [
      {},
      { status: { volume_condition: { abnormal: true } } },
      { volume: {} },
      conditioned('a', { abnormal: true, message: 'x' }),
      conditioned('b', {}),
      conditioned('c'),
      { volume: { volume_id: 'd' } },
      conditioned('a', {}),
    ];
    await s.driver({ capabilities: older, override: { ListVolumes: () => ({ entries }) } });
    expect(await list(s.controller)).toEqual({
      outcome: { kind: 'Done' },
      words: { a: 'Abnormal', b: 'Healthy', c: 'Unknown', d: 'Unknown' },
      omitsHealthy: false,
    });
  });

  it('of CSI 1.13 may leave out what is well', async () => {
    await using s = scratch();
    const entries = [adverse('a', 1), adverse('b', 2), adverse('c', 9), adverse('d'), {}];
    const override = { ControllerListVolumeHealth: () => ({ entries }) };
    await s.driver({ capabilities: younger, override });
    expect(await list(s.controller)).toEqual({
      outcome: { kind: 'Done' },
      words: { a: 'Degraded', b: 'Inaccessible', c: 'Unknown', d: 'Healthy' },
      omitsHealthy: true,
    });
  });

  it('that did not come to its end says nothing of any volume', async () => {
    await using s = scratch();
    const page: Handler = ({ starting_token }) => {
      if (starting_token !== undefined) throw new CsiError('INTERNAL', 'no more');
      return { entries: [adverse('a', 2)], next_token: 'x' };
    };
    await s.driver({ capabilities: younger, override: { ControllerListVolumeHealth: page } });
    const { outcome, words } = await list(s.controller);
    expect(outcome).toMatchObject({ kind: 'Unknown', code: 'INTERNAL' });
    expect(words).toEqual({});
  });

  it('is no listing of health if it has not one word, where volumes can be asked by name', async () => {
    await using s = scratch();
    const override = {
      ListVolumes: () => ({ entries: [conditioned('a'), conditioned('b')] }),
      ControllerGetVolume: () => conditioned('a', { abnormal: true }),
    };
    await s.driver({ capabilities: older, override });
    expect((await s.controller.healthOffer()).offer?.list).toBe('condition');
    await list(s.controller);
    expect((await s.controller.healthOffer()).offer).toEqual({ list: 'none', get: 'condition' });
    expect((await ask(s.controller, 'a')).health?.status).toBe('Abnormal');
  });

  it('of 50,000 volumes is read whole', async () => {
    await using s = scratch();
    const entries = Array.from({ length: 50_000 }, (_, i) =>
      conditioned(`volume-${i}`, { abnormal: i % 1_000 === 0, message: 'm' }),
    );
    await s.driver({ capabilities: older, override: { ListVolumes: () => ({ entries }) } });
    const { words } = await list(s.controller);
    expect(Object.keys(words)).toHaveLength(50_000);
    expect(Object.values(words).filter((word) => word === 'Abnormal')).toHaveLength(50);
  }, 30_000);

  it('is one for all that asked while another was running, and began after they did', async () => {
    await using s = scratch();
    const gates: (() => void)[] = [];
    let abnormal = false;
    const page: Handler = async () => {
      const entries = ['a', 'b'].map((handle) => conditioned(handle, { abnormal }));
      await new Promise<void>((resolve) => gates.push(resolve));
      return { entries };
    };
    const capabilities = ['LIST_VOLUMES', 'VOLUME_CONDITION'];
    await s.driver({ capabilities, override: { ListVolumes: page } });
    const first = ask(s.controller, 'a');
    await until(() => gates.length === 1);
    abnormal = true;
    const later = [ask(s.controller, 'a'), ask(s.controller, 'b')];
    gates[0]?.();
    expect((await first).health?.status).toBe('Healthy');
    await until(() => gates.length === 2);
    gates[1]?.();
    for (const { health } of await Promise.all(later)) expect(health?.status).toBe('Abnormal');
    expect(gates).toHaveLength(2);
  });
});
