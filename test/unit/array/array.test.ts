import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { ArrayAdmin } from '../../array/admin-client.ts';
import { blockBytes, decodeBlock, encodeBlock } from '../../array/block.ts';
import { NbdClient } from '../../array/nbd-client.ts';
import { startArray } from '../../array/start-array.ts';
import type { WorkloadStatus } from '../../array/workload.ts';
import { runWorkload } from '../../array/workload.ts';
import { until } from '../../until.ts';

function block(podUid: string, seq: number) {
  return encodeBlock({ slot: 'ns/web-0', podUid, seq, time: 1 });
}

function client(address: string, exportName: string, deadlineMs = 20_000) {
  return NbdClient.connect({ address, exportName, deadlineMs });
}

/** An array with volume `v` published to node `a`. */
async function arrayWithVolume() {
  const running = await startArray();
  running.array.createVolume('v', 1024 * 1024);
  running.array.publish('v', 'a');
  return running;
}

describe('block', () => {
  it('comes back as it was', () => {
    const header = { slot: 'ns/web-0', podUid: 'ü-1', seq: 7, time: 5 };
    expect(decodeBlock(encodeBlock(header))).toEqual(header);
  });

  it('is nothing if somebody else wrote it', () => {
    expect(decodeBlock(Buffer.alloc(blockBytes))).toBeUndefined();
    expect(decodeBlock(Buffer.alloc(3))).toBeUndefined();
    const broken = block('a', 0);
    broken.fill(0x7b, 12, 40);
    expect(decodeBlock(broken)).toBeUndefined();
    const other = block('a', 0);
    other.write('null', 10);
    other.writeUInt16BE(4, 8);
    expect(decodeBlock(other)).toBeUndefined();
  });
});

describe('array over the network', () => {
  it('lets the whole disk be trimmed at once, as mkfs does', async () => {
    await using running = await startArray();
    running.array.createVolume('large', 64 * 1024 * 1024);
    running.array.publish('large', 'a');
    const a = await client(running.nbdAddress, 'large@a');
    await a.trim(0, a.sizeBytes);
    expect(await a.read(0, blockBytes)).toEqual(Buffer.alloc(blockBytes));
    a.close();
  });

  it('keeps what a published node writes, for another node to read', async () => {
    await using running = await arrayWithVolume();
    const a = await client(running.nbdAddress, 'v@a');
    expect(a.sizeBytes).toBe(1024 * 1024);
    const data = Buffer.alloc(200_000, 'x');
    await a.write(65_000, data);
    await a.flush();
    running.array.publish('v', 'b');
    const b = await client(running.nbdAddress, 'v@b');
    expect((await b.read(65_000, 200_000)).equals(data)).toBe(true);
    expect((await b.read(0, 512)).equals(Buffer.alloc(512))).toBe(true);
    a.close();
    b.close();
  });

  it('takes the writes of two published nodes at once: it protects nobody', async () => {
    await using running = await arrayWithVolume();
    running.array.publish('v', 'b');
    const a = await client(running.nbdAddress, 'v@a');
    const b = await client(running.nbdAddress, 'v@b');
    await a.write(0, block('old', 0));
    await b.write(512, block('new', 1));
    await a.write(512, block('old', 1));
    expect(running.array.verdict()).toMatchObject({ accepted: 3, rejected: 0 });
    expect(running.array.verdict().violations).toHaveLength(1);
  });

  it('refuses and records what an unpublished node writes', async () => {
    await using running = await arrayWithVolume();
    const a = await client(running.nbdAddress, 'v@a');
    await a.write(0, block('old', 0));
    await running.array.unpublish('v', 'a');
    await expect(a.write(512, block('old', 1))).rejects.toMatchObject({ code: 'EPERM' });
    await expect(a.read(0, 512)).rejects.toMatchObject({ code: 'EPERM' });
    expect(running.array.verdict()).toMatchObject({ accepted: 1, rejected: 1, violations: [] });
  });

  it('answers mistakes without losing the connection', async () => {
    await using running = await arrayWithVolume();
    await expect(client(running.nbdAddress, 'none@a')).rejects.toMatchObject({ code: 'NO_EXPORT' });
    const a = await client(running.nbdAddress, 'v@a');
    await expect(a.write(1024 * 1024, block('x', 0))).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(a.read(1024 * 1024 - 1, 2)).rejects.toMatchObject({ code: 'EINVAL' });
    await a.write(0, block('x', 0));
    expect(running.array.verdict().accepted).toBe(1);
  });

  it('drops the connections of a node that was cut off, and only those', async () => {
    await using running = await arrayWithVolume();
    running.array.publish('v', 'b');
    const a = await client(running.nbdAddress, 'v@a');
    const b = await client(running.nbdAddress, 'v@b');
    running.array.setPath('a', 'cut');
    await expect(a.write(0, block('x', 0))).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client(running.nbdAddress, 'v@a')).rejects.toMatchObject({ code: 'CLOSED' });
    await b.write(0, block('y', 0));
    running.array.setPath('a', 'ok');
    const again = await client(running.nbdAddress, 'v@a');
    await again.write(512, block('y', 1));
  });

  it('cuts a node off from one volume alone', async () => {
    await using running = await arrayWithVolume();
    running.array.createVolume('w', 1024 * 1024);
    for (const handle of ['v', 'w']) running.array.publish(handle, 'a');
    const v = await client(running.nbdAddress, 'v@a');
    const w = await client(running.nbdAddress, 'w@a');
    running.array.setPath('a', 'cut', 'v');
    await expect(v.write(0, block('x', 0))).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client(running.nbdAddress, 'v@a')).rejects.toMatchObject({ code: 'CLOSED' });
    await w.write(0, block('x', 0));
    running.array.setPath('a', 'ok', 'v');
    await (await client(running.nbdAddress, 'v@a')).write(0, block('x', 0));
    running.array.setPath('a', 'cut');
    await expect(client(running.nbdAddress, 'v@a')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('lets nobody read or write a volume that is offline, and says in which state each is', async () => {
    await using running = await arrayWithVolume();
    const admin = new ArrayAdmin(running.adminAddress);
    const a = await client(running.nbdAddress, 'v@a');
    await admin.setVolumeState('v', 'offline');
    await expect(a.write(0, block('x', 0))).rejects.toMatchObject({ code: 'EIO' });
    await expect(a.read(0, 512)).rejects.toMatchObject({ code: 'EIO' });
    expect(await admin.volumes()).toMatchObject([{ handle: 'v', state: 'offline' }]);
    await admin.setVolumeState('v', 'lossy');
    await a.write(0, block('x', 0));
    expect(running.array.verdict()).toMatchObject({ accepted: 1, rejected: 1 });
  });

  it('goes on with the data while its administration is down, and is still judged', async () => {
    await using running = await arrayWithVolume();
    const admin = new ArrayAdmin(running.adminAddress, 300);
    await admin.setManagement('down');
    const refused = { kind: 'error', code: 'UNAVAILABLE' };
    expect(await admin.publish('v', 'b')).toMatchObject(refused);
    expect(await admin.unpublish('v', 'a')).toMatchObject(refused);
    await expect(admin.volumes()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await (await client(running.nbdAddress, 'v@a')).write(0, block('x', 0));
    expect(await admin.verdict()).toMatchObject({ accepted: 1 });
    await admin.setManagement('hung');
    await expect(admin.volumes()).rejects.toMatchObject({ name: 'AbortError' });
    await admin.setManagement('ok');
    expect(await admin.volumes()).toMatchObject([{ publishedNodes: ['a'] }]);
  });

  it('decides what a hung node sent when its path is back, not when it was sent', async () => {
    await using running = await arrayWithVolume();
    const a = await client(running.nbdAddress, 'v@a', 1_000);
    running.array.setPath('a', 'hung');
    await expect(a.write(0, block('x', 0))).rejects.toMatchObject({ code: 'DEADLINE' });
    await expect(client(running.nbdAddress, 'v@a', 1_000)).rejects.toMatchObject({
      code: 'DEADLINE',
    });
    expect(running.array.journal).toHaveLength(0);
    await running.array.unpublish('v', 'a');
    running.array.setPath('a', 'ok');
    await until(() => running.array.journal.length === 1);
    expect(running.array.verdict()).toMatchObject({ accepted: 0, rejected: 1 });
    // The late answer is skipped, and the connection is still good.
    running.array.publish('v', 'a');
    await a.write(0, block('x', 0));
  });

  it('tells writers without a header apart by their publication', async () => {
    await using running = await arrayWithVolume();
    const a = await client(running.nbdAddress, 'v@a');
    await a.write(0, Buffer.alloc(4096, 1));
    running.array.publish('v', 'b');
    const b = await client(running.nbdAddress, 'v@b');
    await b.write(0, Buffer.alloc(4096, 2));
    expect(running.array.verdict().violations).toHaveLength(0);
    await running.array.unpublish('v', 'a');
    running.array.publish('v', 'a');
    await a.write(0, Buffer.alloc(4096, 3));
    expect(running.array.verdict().violations).toHaveLength(0);
    await b.write(0, Buffer.alloc(4096, 4));
    expect(running.array.verdict().violations).toHaveLength(1);
  });

  it('survives clients that speak nonsense', async () => {
    await using running = await arrayWithVolume();
    const { connect } = await import('node:net');
    const port = Number(running.nbdAddress.split(':')[1]);
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.on('close', resolve);
      socket.write(Buffer.alloc(4096, 0xff));
      socket.resume();
    });
    const a = await client(running.nbdAddress, 'v@a');
    await a.write(0, block('x', 0));
  });
});

describe('array administration', () => {
  it('creates, publishes, lists and deletes, each as often as one likes', async () => {
    await using running = await startArray();
    const admin = new ArrayAdmin(running.adminAddress);
    for (let i = 0; i < 2; i += 1) expect(await admin.create('v', 4096)).toEqual({ kind: 'ok' });
    expect(await admin.create('v', 8192)).toMatchObject({ code: 'ALREADY_EXISTS' });
    for (let i = 0; i < 2; i += 1) expect(await admin.publish('v', 'a')).toEqual({ kind: 'ok' });
    expect(await admin.publish('w', 'a')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await admin.volumes()).toEqual([
      { handle: 'v', sizeBytes: 4096, publishedNodes: ['a'], state: 'ok' },
    ]);
    expect(await admin.delete('v')).toMatchObject({ code: 'FAILED_PRECONDITION' });
    for (let i = 0; i < 2; i += 1) expect(await admin.unpublish('v', 'a')).toEqual({ kind: 'ok' });
    for (let i = 0; i < 2; i += 1) expect(await admin.delete('v')).toEqual({ kind: 'ok' });
    expect(await admin.volumes()).toEqual([]);
  });

  it('takes a node off slowly, silently, falsely or not at all, as it was told', async () => {
    await using running = await startArray();
    const admin = new ArrayAdmin(running.adminAddress, 300);
    const publishedTo = async () => (await admin.volumes())[0]?.publishedNodes;
    const accepts = () => running.array.write('v', 'a', 0, block('x', 0)) === undefined;
    await admin.create('v');
    await admin.publish('v', 'a');

    await admin.setUnpublishMode({ kind: 'fail', code: 'INTERNAL' });
    expect(await admin.unpublish('v', 'a')).toMatchObject({ kind: 'error', code: 'INTERNAL' });
    expect([await publishedTo(), accepts()]).toEqual([['a'], true]);

    await admin.setUnpublishMode({ kind: 'lie' }, 'v');
    expect(await admin.unpublish('v', 'a')).toEqual({ kind: 'ok' });
    expect([await publishedTo(), accepts()]).toEqual([[], true]);

    await admin.setUnpublishMode({ kind: 'slow', delayMs: 100 }, 'v');
    const slow = admin.unpublish('v', 'a');
    await sleep(30);
    expect(accepts()).toBe(true);
    expect(await slow).toEqual({ kind: 'ok' });
    expect(accepts()).toBe(false);

    await admin.publish('v', 'a');
    await admin.setUnpublishMode({ kind: 'lost' }, 'v');
    await expect(admin.unpublish('v', 'a')).rejects.toMatchObject({ name: 'AbortError' });
    expect([await publishedTo(), accepts()]).toEqual([[], false]);
  });

  it('takes an empty node id for all nodes, as CSI does', async () => {
    await using running = await arrayWithVolume();
    running.array.publish('v', 'b');
    await running.array.unpublish('v', '');
    expect(running.array.volumes()[0]?.publishedNodes).toEqual([]);
  });
});

describe('workload', () => {
  async function workload(array: string, exportName: string, podUid: string) {
    const statuses: WorkloadStatus[] = [];
    const stop = new AbortController();
    const ended = runWorkload({
      array,
      exportName,
      podUid,
      slot: 'ns/web-0',
      intervalMs: 5,
      deadlineMs: 200,
      onStatus: (status) => statuses.push(status),
      signal: stop.signal,
    });
    const told = (event: string) => until(() => statuses.some((s) => s.event === event));
    return {
      statuses,
      told,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await ended;
      },
    };
  }

  it('carries on where its predecessor ended, which the array then refuses', async () => {
    await using running = await arrayWithVolume();
    await using old = await workload(running.nbdAddress, 'v@a', 'old');
    await old.told('writing');
    await running.array.unpublish('v', 'a');
    await old.told('rejected');
    running.array.publish('v', 'b');
    await using replacement = await workload(running.nbdAddress, 'v@b', 'new');
    await replacement.told('writing');
    await until(() => running.array.verdict().accepted > 4);
    const { violations, gaps, writers } = running.array.verdict();
    expect({ violations, gaps }).toEqual({ violations: [], gaps: [] });
    expect(writers.map((w) => [w.podUid, w.rejected > 0])).toEqual([
      ['old', true],
      ['new', false],
    ]);
    const opened = replacement.statuses.find(({ event }) => event === 'opened');
    expect(opened).toMatchObject({ contiguous: true, seq: writers[0]?.accepted });
  });

  it('is convicted behind an unpublish that lies', async () => {
    await using running = await arrayWithVolume();
    running.array.setUnpublishMode({ kind: 'lie' });
    await using old = await workload(running.nbdAddress, 'v@a', 'old');
    await old.told('writing');
    await running.array.unpublish('v', 'a');
    running.array.publish('v', 'b');
    await using replacement = await workload(running.nbdAddress, 'v@b', 'new');
    await replacement.told('writing');
    await until(() => running.array.verdict().violations.length > 0);
    expect(running.array.verdict().violations[0]?.entry.podUid).toBe('old');
    expect(old.statuses.map((s) => s.event)).not.toContain('rejected');
  });

  it('waits for the array and comes through a path that was cut', async () => {
    await using running = await arrayWithVolume();
    running.array.setPath('a', 'cut');
    await using pod = await workload(running.nbdAddress, 'v@a', 'pod');
    await pod.told('stalled');
    running.array.setPath('a', 'ok');
    await pod.told('writing');
    const before = running.array.verdict().accepted;
    await until(() => running.array.verdict().accepted > before);
  });
});
