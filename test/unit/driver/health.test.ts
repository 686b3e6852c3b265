import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  defaultControllerCapabilities,
  defaultNodeCapabilities,
} from '../../driver/service-capabilities.ts';
import { type DialectName, dialects } from '../../driver/dialect.ts';
import type { DriverOptions } from '../../driver/start-driver.ts';
import { scene } from './scene.ts';

/** A driver that speaks this dialect, and volume `v`, mounted and published on its node. */
async function speaking(dialect: DialectName, more: Partial<DriverOptions> = {}) {
  const { controller, node } = dialects[dialect];
  const s = await scene({
    capabilities: [...defaultControllerCapabilities, ...controller],
    nodeCapabilities: [...defaultNodeCapabilities, ...node],
    ...more,
  });
  s.array.createVolume('v', 1024 * 1024);
  s.array.publish('v', 'node-a');
  const path = join(s.folder, 'globalmount');
  await s.call('NodeStageVolume', { volume_id: 'v', staging_target_path: path });
  return { ...s, stats: { volume_id: 'v', volume_path: path } };
}

const volume = { volume_id: 'v' };
const abnormal = (message: string) => ({ volume_condition: { abnormal: true, message } });
const normal = { volume_condition: { message: 'the volume is healthy' } };
const inaccessible = (reason: string) => ({
  volume_health: { volume_id: 'v', health_statuses: [{ status: 2, reason }] },
});
const inNoList = { volume_health: { volume_id: 'v' } };

describe('test driver, volume health of CSI up to 1.12', () => {
  it('says on the controller what has become of the volume', async () => {
    await using s = await speaking('condition');
    expect(await s.call('ControllerGetVolume', volume)).toMatchObject({ status: normal });
    s.array.setVolumeState('v', 'degraded');
    const entry = { status: abnormal('the volume is degraded') };
    expect(await s.call('ControllerGetVolume', volume)).toMatchObject(entry);
    expect(await s.call('ListVolumes')).toMatchObject({ entries: [entry] });
    await expect(s.call('ControllerListVolumeHealth')).rejects.toMatchObject({ code: 12 });
  });

  it('says on the node whether the node gets at the volume', async () => {
    await using s = await speaking('condition');
    expect(await s.call('NodeGetVolumeStats', s.stats)).toMatchObject(normal);
    s.array.setPath('node-a', 'cut');
    const answer = await s.call('NodeGetVolumeStats', s.stats);
    expect(answer).toMatchObject({ usage: [{ unit: 1 }], volume_condition: { abnormal: true } });
    // The controller has another view.
    expect(await s.call('ControllerGetVolume', volume)).toMatchObject({ status: normal });
    await expect(s.call('NodeGetVolumeHealth', volume)).rejects.toMatchObject({ code: 12 });
    await expect(s.call('NodeGetStorageHealth')).rejects.toMatchObject({ code: 12 });
  });
});

describe('test driver, volume health of CSI 1.13', () => {
  it('says on the controller what has become of the volume', async () => {
    await using s = await speaking('health');
    expect(await s.call('ControllerGetVolumeHealth', volume)).toEqual(inNoList);
    s.array.setVolumeState('v', 'lossy');
    const health = { volume_id: 'v', health_statuses: [{ status: 3, reason: 'BlocksLost' }] };
    expect(await s.call('ControllerGetVolumeHealth', volume)).toMatchObject({
      volume_health: health,
    });
    for (const handle of ['w', 'x']) s.array.createVolume(handle, 4096);
    s.array.setVolumeState('x', 'degraded');
    const first = await s.call('ControllerListVolumeHealth', { max_entries: 1 });
    expect(first).toMatchObject({ entries: [health], next_token: '1' });
    // That which is well is not in the list.
    const rest = await s.call('ControllerListVolumeHealth', { starting_token: '1' });
    expect(rest).toMatchObject({ entries: [{ volume_id: 'x', health_statuses: [{ status: 1 }] }] });
    await expect(s.call('ControllerGetVolumeHealth', { volume_id: 'none' })).rejects.toMatchObject({
      code: 5,
    });
    expect(JSON.stringify(await s.call('ListVolumes'))).not.toContain('condition');
  });

  it('says on the node whether the node gets at the volume, and at the storage', async () => {
    await using s = await speaking('health');
    expect(await s.call('NodeGetVolumeHealth', volume)).toEqual(inNoList);
    expect(await s.call('NodeGetStorageHealth')).toEqual({});
    s.array.setPath('node-a', 'cut', 'v');
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject(inaccessible('CLOSED'));
    expect(await s.call('NodeGetStorageHealth')).toEqual({});
    s.array.setPath('node-a', 'cut');
    expect(await s.call('NodeGetStorageHealth')).toMatchObject({
      backend_health: [{ status: 2, reason: 'StorageUnreachable' }],
    });
    s.array.setPath('node-a', 'ok');
    s.array.setPath('node-a', 'ok', 'v');
    await s.array.unpublish('v', 'node-a');
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject(inaccessible('EPERM'));
    s.array.publish('v', 'node-a');
    s.array.setVolumeState('v', 'offline');
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject(inaccessible('EIO'));
  });

  it('takes a path that hangs for lost, and does not unmount before it is back', async () => {
    await using s = await speaking('health', { pathDeadlineMs: 100 });
    s.array.setPath('node-a', 'hung');
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject(inaccessible('DEADLINE'));
    expect(await s.call('NodeGetStorageHealth')).toMatchObject({
      backend_health: [{ status: 2, reason: 'StorageUnreachable' }],
    });
    const staged = { volume_id: 'v', staging_target_path: s.stats.volume_path };
    await expect(s.call('NodeUnstageVolume', staged)).rejects.toMatchObject({ code: 4 });
    s.array.setPath('node-a', 'ok');
    expect(await s.call('NodeGetVolumeHealth', volume)).toEqual(inNoList);
    await s.call('NodeUnstageVolume', staged);
    await expect(s.call('NodeGetVolumeStats', s.stats)).rejects.toMatchObject({ code: 5 });
  });
});

describe('test driver, told what to say of health', () => {
  it('fails as a driver whose array cannot be administered', async () => {
    await using s = await speaking('health');
    s.array.management = 'down';
    for (const method of ['ControllerListVolumeHealth', 'ListVolumes']) {
      await expect(s.call(method)).rejects.toMatchObject({ code: 14 });
    }
    await expect(s.call('ControllerUnpublishVolume', volume)).rejects.toMatchObject({ code: 14 });
    s.array.management = 'hung';
    await expect(s.call('ControllerGetVolumeHealth', volume)).rejects.toMatchObject({ code: 4 });
  });

  it('lies of one volume, of all others and of the storage, and knows no word for it', async () => {
    await using s = await speaking('health');
    s.driver.faults.lies = {
      volumes: { '*': { status: 'Inaccessible' }, w: 'nothing' },
      storage: { status: 'Degraded', reason: 'OnePathLeft' },
    };
    s.array.createVolume('w', 4096);
    const told = inaccessible('ToldInaccessible');
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject(told);
    expect(await s.call('ControllerGetVolumeHealth', volume)).toMatchObject(told);
    expect(await s.call('ControllerGetVolumeHealth', { volume_id: 'w' })).toEqual({});
    expect(await s.call('ControllerListVolumeHealth')).toEqual({
      entries: [expect.objectContaining({ volume_id: 'v' })],
    });
    expect(await s.call('NodeGetStorageHealth')).toMatchObject({
      backend_health: [{ status: 1, reason: 'OnePathLeft' }],
    });
    s.driver.faults.lies = { volumes: { v: { status: 77 } } };
    expect(await s.call('NodeGetVolumeHealth', volume)).toMatchObject({
      volume_health: { health_statuses: [{ status: 77 }] },
    });
  });

  it('lies in the older words, too, or leaves the condition out', async () => {
    await using s = await speaking('condition');
    s.driver.faults.lies = { volumes: { v: { status: 'Inaccessible', message: 'error in X' } } };
    const entry = { status: abnormal('error in X') };
    expect(await s.call('ListVolumes')).toMatchObject({ entries: [entry] });
    expect(await s.call('NodeGetVolumeStats', s.stats)).toMatchObject(abnormal('error in X'));
    s.driver.faults.lies = { volumes: { v: 'nothing' } };
    expect(await s.call('NodeGetVolumeStats', s.stats)).not.toHaveProperty('volume_condition');
    expect(await s.call('ControllerGetVolume', volume)).toHaveProperty('status');
    expect(JSON.stringify(await s.call('ListVolumes'))).not.toContain('condition');
  });

  it('is told from a file, also of one call for one volume', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faults-'));
    const faultsFile = join(folder, 'faults.json');
    await using s = await speaking('health', { faultsFile });
    s.array.createVolume('w', 4096);
    const told = {
      'ControllerGetVolumeHealth w': { code: 'ABORTED' },
      health: { volumes: { v: { status: 'Healthy' } } },
    };
    writeFileSync(faultsFile, JSON.stringify(told));
    s.array.setVolumeState('v', 'offline');
    expect(await s.call('ControllerGetVolumeHealth', volume)).toEqual(inNoList);
    await expect(s.call('ControllerGetVolumeHealth', { volume_id: 'w' })).rejects.toMatchObject({
      code: 10,
    });
    rmSync(faultsFile);
    expect(await s.call('ControllerGetVolumeHealth', volume)).toMatchObject(
      inaccessible('VolumeOffline'),
    );
    rmSync(folder, { recursive: true });
  });
});
