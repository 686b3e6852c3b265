import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readBootId } from '../../../src/node-mode/boot-id.ts';
import { probeKubelet } from '../../../src/node-mode/kubelet-health.ts';

const patient = AbortSignal.timeout(30_000);

async function serving<T>(server: Server, use: (port: number) => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve());
  });
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

describe('the health port of the kubelet', () => {
  it.each([
    [200, 'ok'],
    [500, 'unknown'],
    [404, 'unknown'],
    [301, 'unknown'],
  ])('that answers %d is %s', async (status, health) => {
    const paths: string[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url ?? '');
      response.writeHead(status).end('ok');
    });
    expect(await serving(server, (port) => probeKubelet(`127.0.0.1:${port}`, patient))).toBe(
      health,
    );
    expect(paths).toEqual(['/healthz']);
  });

  it('may be given as a port alone', async () => {
    const server = createServer((_, response) => response.end('ok'));
    expect(await serving(server, (port) => probeKubelet(`:${port}`, patient))).toBe('ok');
  });

  it('is dead when nobody listens', async () => {
    const port = await serving(createTcpServer(), (free) => Promise.resolve(free));
    expect(await probeKubelet(`127.0.0.1:${port}`, patient)).toBe('dead');
  });

  it('is dead when it accepts and hangs up', async () => {
    const server = createTcpServer((socket) => socket.destroy());
    const health = await serving(server, (port) => probeKubelet(`127.0.0.1:${port}`, patient));
    expect(health).toBe('dead');
  });

  it('is dead when it accepts and never answers, as a stopped process does', async () => {
    const server = createTcpServer((socket) => socket.on('error', () => {}));
    const health = await serving(server, (port) =>
      probeKubelet(`127.0.0.1:${port}`, AbortSignal.timeout(50)),
    );
    expect(health).toBe('dead');
  });

  it('is unknown when its name does not resolve', async () => {
    expect(await probeKubelet('no-such-host.invalid:1', patient)).toBe('unknown');
  });
});

describe('the boot id', () => {
  it('of this very machine can be read', async () => {
    expect(await readBootId('/proc/sys/kernel/random/boot_id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['is empty', ''],
    ['holds only white space', ' \n'],
    ['holds several words', 'one two'],
    ['holds a slash, which would end the node name in a holder', 'one/two'],
    ['is too long', 'x'.repeat(129)],
  ])('is refused if the file %s', async (_, text) => {
    const directory = await mkdtemp(join(tmpdir(), 'boot-id-'));
    const path = join(directory, 'boot_id');
    try {
      await writeFile(path, text);
      await expect(readBootId(path)).rejects.toThrow(/no boot id/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('is refused if there is no file', async () => {
    await expect(readBootId('/proc/no-such-file')).rejects.toThrow(/ENOENT/);
  });
});
