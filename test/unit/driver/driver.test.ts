import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { encodeBlock } from '../../array/block.ts';
import { NbdClient } from '../../array/nbd-client.ts';
import { MountTable } from '../../driver/mount-table.ts';
import type { Device } from '../../driver/device.ts';
import { scene } from './scene.ts';

const twice = [1, 2];

describe('test driver, controller service', () => {
  it('creates, publishes, unpublishes and deletes; a repeated call changes nothing', async () => {
    await using s = await scene();
    for (const _ of twice) {
      const { volume } = await s.call('CreateVolume', { name: 'v' });
      expect(volume).toMatchObject({ volume_id: 'v' });
    }
    const publication = { volume_id: 'v', node_id: 'node-a' };
    for (const _ of twice) await s.call('ControllerPublishVolume', publication);
    await s.call('ControllerPublishVolume', { volume_id: 'v', node_id: 'node-b' });
    const status = { published_node_ids: ['node-a', 'node-b'] };
    expect(await s.call('ControllerGetVolume', { volume_id: 'v' })).toMatchObject({ status });
    for (const _ of twice) await s.call('ControllerUnpublishVolume', publication);
    expect(s.array.volumes()[0]?.publishedNodes).toEqual(['node-b']);
    await expect(s.call('DeleteVolume', { volume_id: 'v' })).rejects.toMatchObject({ code: 9 });
    // No node id: from all nodes.
    await s.call('ControllerUnpublishVolume', { volume_id: 'v' });
    for (const _ of twice) await s.call('DeleteVolume', { volume_id: 'v' });
    for (const _ of twice) await s.call('ControllerUnpublishVolume', publication);
    expect(s.array.volumes()).toEqual([]);
  });

  it('refuses what the specification forbids', async () => {
    await using s = await scene();
    const refused = (method: string, request: object, code: number) =>
      expect(s.call(method, request)).rejects.toMatchObject({ code });
    await refused('CreateVolume', {}, 3);
    await refused('CreateVolume', { name: 'v', volume_capabilities: [] }, 3);
    await refused('ValidateVolumeCapabilities', { volume_id: 'v' }, 5);
    await refused('ControllerPublishVolume', { volume_id: 'v' }, 3);
    await refused('ControllerPublishVolume', { volume_id: 'v', node_id: 'n' }, 5);
    await refused('ControllerUnpublishVolume', { node_id: 'n' }, 3);
    await refused('ControllerGetVolume', { volume_id: 'v' }, 5);
    await refused('ListVolumes', { starting_token: 'nonsense' }, 10);
    await refused('ListVolumes', { max_entries: -1 }, 3);
    await refused('ControllerGetVolumeHealth', { volume_id: 'v' }, 12);
  });

  it('lists in pages, with the published nodes only if it says that it can', async () => {
    await using s = await scene();
    for (const handle of ['c', 'a', 'b']) s.array.createVolume(handle, 4096);
    s.array.publish('b', 'node-a');
    const first = await s.call('ListVolumes', { max_entries: 2 });
    expect(first).toMatchObject({
      entries: [
        { volume: { volume_id: 'a' } },
        { volume: { volume_id: 'b' }, status: { published_node_ids: ['node-a'] } },
      ],
    });
    const rest = { max_entries: 2, starting_token: first.next_token };
    const second = await s.call('ListVolumes', rest);
    expect(second).toMatchObject({ entries: [{ volume: { volume_id: 'c' } }] });
    expect(second.next_token).toBeUndefined();
    await using silent = await scene({ capabilities: ['LIST_VOLUMES'] });
    silent.array.createVolume('v', 4096);
    silent.array.publish('v', 'node-a');
    const { entries } = await silent.call('ListVolumes');
    expect(JSON.stringify(entries)).not.toContain('node-a');
  });

  it('passes the array on: errors as their code, silence as silence', async () => {
    await using s = await scene();
    const publication = { volume_id: 'v', node_id: 'node-a' };
    s.array.createVolume('v', 4096);
    s.array.publish('v', 'node-a');
    s.array.setUnpublishMode({ kind: 'fail', code: 'UNAVAILABLE' });
    await expect(s.call('ControllerUnpublishVolume', publication)).rejects.toMatchObject({
      code: 14,
    });
    s.array.setUnpublishMode({ kind: 'lost' });
    await expect(s.call('ControllerUnpublishVolume', publication)).rejects.toMatchObject({
      code: 4,
    });
    expect(s.array.volumes()[0]?.publishedNodes).toEqual([]);
  });
});

describe('test driver, node service', () => {
  const staging = { volume_id: 'v 1', staging_target_path: '' };

  it('mounts and unmounts in its table, and leaves the way to the array at the target', async () => {
    await using s = await scene();
    s.array.createVolume('v 1', 1024 * 1024);
    s.array.publish('v 1', 'node-a');
    const stage = { ...staging, staging_target_path: join(s.folder, 'globalmount') };
    const publish = { ...stage, target_path: join(s.folder, 'a pod', 'mount') };
    await expect(s.call('NodePublishVolume', publish)).rejects.toMatchObject({ code: 9 });
    for (const _ of twice) await s.call('NodeStageVolume', stage);
    for (const _ of twice) await s.call('NodePublishVolume', publish);
    const lines = readFileSync(s.mountinfoFile, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => line.split(' ')[4])).toEqual([
      stage.staging_target_path,
      publish.target_path.replace(' ', '\\040'),
    ]);
    expect(lines.every((line) => line.includes(' - ext4 nbd:v\\0401 '))).toBe(true);
    expect(new MountTable(s.mountinfoFile).handleAt(publish.target_path)).toBe('v 1');

    const text = readFileSync(join(publish.target_path, 'device.json'), 'utf8');
    const device = JSON.parse(text) as Device;
    const disk = await NbdClient.connect({
      address: device.array,
      exportName: device.export,
      deadlineMs: 500,
    });
    await disk.write(0, encodeBlock({ slot: 's', podUid: 'p', seq: 0, time: 0 }));
    disk.close();
    expect(s.array.journal).toMatchObject([{ nodeId: 'node-a', podUid: 'p', accepted: true }]);

    const stats = { volume_id: 'v 1', volume_path: publish.target_path };
    expect(await s.call('NodeGetVolumeStats', stats)).toHaveProperty('usage');
    for (const _ of twice) await s.call('NodeUnpublishVolume', publish);
    expect(existsSync(publish.target_path)).toBe(false);
    await expect(s.call('NodeGetVolumeStats', stats)).rejects.toMatchObject({ code: 5 });
    for (const _ of twice) await s.call('NodeUnstageVolume', stage);
    expect(readFileSync(s.mountinfoFile, 'utf8')).toBe('');
  });

  it("keeps its mounts over a restart, since they are the machine's", async () => {
    await using s = await scene();
    await s.call('NodeStageVolume', { ...staging, staging_target_path: join(s.folder, 'g') });
    const restarted = new MountTable(s.mountinfoFile);
    expect(restarted.handleAt(join(s.folder, 'g'))).toBe('v 1');
  });
});

describe('test driver, told to misbehave', () => {
  it('does so by method, from inside and from a file, until told otherwise', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faults-'));
    const faultsFile = join(folder, 'faults.json');
    await using s = await scene({ faultsFile });
    const node = { node_id: 'node-a' };
    expect(await s.call('NodeGetInfo')).toMatchObject(node);
    writeFileSync(faultsFile, JSON.stringify({ NodeGetInfo: { code: 'UNAVAILABLE' } }));
    await expect(s.call('NodeGetInfo')).rejects.toMatchObject({ code: 14 });
    writeFileSync(faultsFile, '{ half a li');
    expect(await s.call('NodeGetInfo')).toMatchObject(node);
    s.array.createVolume('v', 4096);
    s.driver.faults.set('*', 'hang');
    s.driver.faults.set('ControllerPublishVolume', 'lose');
    const publication = { volume_id: 'v', node_id: 'node-a' };
    // Side by side: each waits until its caller has lost patience.
    await Promise.all([
      expect(s.call('Probe')).rejects.toMatchObject({ code: 4 }),
      expect(s.call('ControllerPublishVolume', publication)).rejects.toMatchObject({ code: 4 }),
    ]);
    expect(s.array.volumes()[0]?.publishedNodes).toEqual(['node-a']);
    s.driver.faults.set('*', undefined);
    expect(await s.call('Probe')).toMatchObject({ ready: { value: true } });
    rmSync(folder, { recursive: true });
  });

  it('serves only what its mode says', async () => {
    await using s = await scene({ mode: 'node' });
    await expect(s.call('ControllerGetCapabilities')).rejects.toMatchObject({ code: 12 });
    expect(await s.call('NodeGetInfo')).toMatchObject({ node_id: 'node-a' });
    expect((await s.call('GetPluginCapabilities')).capabilities ?? []).toEqual([]);
  });
});
