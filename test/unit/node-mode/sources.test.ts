import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { DriverWord, Fact } from '../../../src/node-mode/facts.ts';
import { Sources } from '../../../src/node-mode/sources.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';

function setUp(
  options: { probe?: () => Promise<DriverWord>; kubelet?: string; bootIdFile?: string } = {},
) {
  const clock = new FakeClock();
  const facts: Fact[] = [];
  const sources = new Sources({
    shell: { clock, random: () => 0.5, log: silentLog },
    driver: {
      connections: 1,
      probe: options.probe ?? (() => Promise.resolve('ok')),
      nodeId: () => Promise.resolve('id-a'),
    },
    kubeletHealthzAddress: options.kubelet ?? '127.0.0.1:1',
    bootIdFile: options.bootIdFile ?? '/proc/sys/kernel/random/boot_id',
    heartbeatIntervalMs: 2000,
    driverDeadlineMs: 3000,
    post: (fact) => void facts.push(fact),
  });
  const of = <Kind extends Fact['kind']>(kind: Kind) =>
    facts.filter((fact): fact is Extract<Fact, { kind: Kind }> => fact.kind === kind);
  return { clock, sources, of };
}

it('a kubelet that accepts and never answers is dead', async () => {
  const kubelet = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => {
    kubelet.listen(0, '127.0.0.1', () => resolve());
  });
  const { port } = kubelet.address() as AddressInfo;
  const { clock, sources, of } = setUp({ kubelet: `127.0.0.1:${port}` });
  try {
    sources.start();
    await clock.advance(1999);
    expect(of('KubeletProbed')).toEqual([]);
    await clock.advance(1);
    expect(of('KubeletProbed')).toEqual([{ kind: 'KubeletProbed', health: 'dead' }]);
  } finally {
    sources.stop();
    kubelet.close();
  }
});

it.each([
  ['breaks its own deadline', () => new Promise<DriverWord>(() => {})],
  ['rejects', () => Promise.reject(new Error('no channel'))],
])('a driver call that %s counts as silence', async (_, probe) => {
  const { clock, sources, of } = setUp({ probe });
  sources.start();
  await clock.advance(8000);
  sources.stop();
  expect(of('DriverProbed').at(-1)).toMatchObject({ word: 'silent', nodeId: undefined });
});

it('a boot id that cannot be read is no news, and is read as soon as it can be', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sources-'));
  const bootIdFile = join(folder, 'boot_id');
  const { clock, sources, of } = setUp({ bootIdFile });
  try {
    sources.start();
    await sleep(50);
    expect(of('BootIdRead')).toEqual([]);
    writeFileSync(bootIdFile, 'boot-1\n');
    for (let round = 0; round < 2_000 && of('BootIdRead').length === 0; round += 1) {
      await clock.advance(10_000);
      await sleep(10);
    }
    expect(of('BootIdRead')[0]).toEqual({ kind: 'BootIdRead', bootId: 'boot-1' });
  } finally {
    sources.stop();
    rmSync(folder, { recursive: true });
  }
});

it('nothing is told after the end', async () => {
  const { clock, sources, of } = setUp();
  sources.start();
  sources.stop();
  await clock.advance(60_000);
  await sleep(50);
  expect([...of('DriverProbed'), ...of('KubeletProbed'), ...of('BootIdRead')]).toEqual([]);
});
