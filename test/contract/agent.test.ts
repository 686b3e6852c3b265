import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport, type NodeReport } from '../../src/shared/record.ts';
import { type RunningDriver, startDriver } from '../driver/start-driver.ts';
import { ManagedProcess } from '../machine/process.ts';
import { LeaseServer } from '../unit/node-mode/lease-server.ts';
import { until } from '../until.ts';

const driverName = 'block.example.com';

let folder: string;
let api: LeaseServer;
let driver: RunningDriver;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agent-'));
  mkdirSync(join(folder, 'kubelet'));
  api = await LeaseServer.start();
  writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(api.kubeconfig));
  const endpoint = `unix:${join(folder, 'csi.sock')}`;
  const arrayNbd = '127.0.0.1:1';
  driver = await startDriver({ endpoint, mode: 'node', driverName, nodeId: 'id-a', arrayNbd });
});

afterEach(async () => {
  await driver[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The bundle as it ships, with the real boot id and mount table of this machine. */
function startBundle(): ManagedProcess {
  return new ManagedProcess({
    name: 'agent',
    command: process.execPath,
    args: [
      'dist/csi-failover.cjs',
      '--mode=node',
      `--csi-address=${join(folder, 'csi.sock')}`,
      `--kubeconfig=${join(folder, 'kubeconfig')}`,
      `--kubelet-dir=${join(folder, 'kubelet')}`,
      '--kubelet-healthz-address=127.0.0.1:1',
      '--heartbeat-interval=200ms',
      '--lost-after=3s',
    ],
    env: { NODE_NAME: 'node-a', POD_NAMESPACE: 'storage' },
    logFile: join(folder, 'agent.log'),
    runId: 'agent-contract',
  });
}

function report(): NodeReport | undefined {
  return decodeNodeReport(api.lease?.metadata.annotations?.[reportAnnotation]);
}

describe('the agent as a process', () => {
  it('renews its Lease, says goodbye at SIGTERM, and ends with 0', async () => {
    const agent = startBundle();
    await until(() => report()?.driver === 'ok');
    const first = api.lease?.spec?.renewTime;
    await until(() => api.lease?.spec?.renewTime !== first);
    expect(report()?.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(api.lease?.metadata).toMatchObject({ name: `${driverName}.node-a` });
    agent.signal('SIGTERM');
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(report()).toMatchObject({ driver: 'stopping' });
  });

  it('ends with 0 within ten seconds of SIGTERM though the API server hangs', async () => {
    const agent = startBundle();
    await until(() => report()?.driver === 'ok');
    api.hang(true);
    const asked = performance.now();
    agent.signal('SIGTERM');
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(10_000);
  }, 25_000);

  it('ends with 1 when there is no API server to be found', async () => {
    rmSync(join(folder, 'kubeconfig'));
    expect(await startBundle().exited).toEqual({ code: 1, signal: null });
  });
});
