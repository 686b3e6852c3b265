import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runNode } from '../../../src/node-mode/node.ts';
import { readConfig } from '../../../src/shared/read-config.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { fenceAnnotation, reportAnnotation } from '../../../src/shared/names.ts';
import { decodeNodeReport, type NodeReport } from '../../../src/shared/record.ts';
import { systemClock } from '../../../src/shared/system-clock.ts';
import { type DriverOptions, type RunningDriver, startDriver } from '../../driver/start-driver.ts';
import { silentLog } from '../../silent-log.ts';
import { fenceText } from './bench.ts';
import { LeaseServer } from './lease-server.ts';
import { until } from '../../until.ts';

const driverName = 'block.example.com';
const intervalMs = 100;
const rootMount = '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n';

let folder: string;
let api: LeaseServer;
let driver: RunningDriver;
const agents: { stop: () => void; ended: Promise<void> }[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'node-mode-'));
  mkdirSync(join(folder, 'kubelet'));
  write('boot_id', 'boot-1\n');
  write('mountinfo', rootMount);
  api = await LeaseServer.start();
  write('kubeconfig', JSON.stringify(api.kubeconfig));
  driver = await startNodePlugin();
});

afterEach(async () => {
  for (const agent of agents) agent.stop();
  await Promise.allSettled(agents.splice(0).map(({ ended }) => ended));
  await driver[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function startNodePlugin(
  nodeId = 'id-a',
  more: Pick<DriverOptions, 'nodeCapabilities' | 'override'> = {},
): Promise<RunningDriver> {
  const endpoint = `unix:${join(folder, 'csi.sock')}`;
  const array = { arrayNbd: '127.0.0.1:1' };
  return startDriver({ endpoint, mode: 'node', driverName, nodeId, ...array, ...more });
}

/** What the kubelet writes before it has a volume published to a pod. */
function publish(pv: string, volumeHandle: string): void {
  const path = `kubelet/pods/0a-1b/volumes/kubernetes.io~csi/${pv}`;
  mkdirSync(join(folder, path), { recursive: true });
  write(`${path}/vol_data.json`, JSON.stringify({ driverName, volumeHandle, specVolID: pv }));
}

function mountVolume1(superOptions = 'rw'): void {
  const path = join(folder, 'kubelet/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount');
  write(
    'mountinfo',
    `${rootMount}2 1 43:1 / ${path} rw shared:2 - ext4 nbd:vol-1 ${superOptions}\n`,
  );
}

/** An agent in this process; it ends with the test at the latest. */
function startAgent(more: readonly string[] = [], driver = [`--driver-name=${driverName}`]) {
  const result = readConfig({
    argv: [
      '--mode=node',
      `--csi-address=${join(folder, 'csi.sock')}`,
      '--node-name=node-a',
      '--namespace=storage',
      `--kubeconfig=${join(folder, 'kubeconfig')}`,
      `--kubelet-dir=${join(folder, 'kubelet')}`,
      `--mountinfo-file=${join(folder, 'mountinfo')}`,
      `--boot-id-file=${join(folder, 'boot_id')}`,
      '--kubelet-healthz-address=127.0.0.1:1',
      `--heartbeat-interval=${intervalMs}ms`,
      '--lost-after=1500ms',
      '--timeout=500ms',
      '--health-interval=200ms',
      ...driver,
      ...more,
    ],
    environment: {},
    readFile: () => undefined,
  });
  if (result.kind !== 'Config') throw new Error(JSON.stringify(result));
  const stop = new AbortController();
  const shell = {
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    instance: 'test',
    metrics: createMetrics({ version: 'test', mode: 'node', startedAt: 0 }),
    signal: stop.signal,
  };
  const ended = runNode(result.config, shell, [process.execPath, 'src/main.ts']);
  const agent = { ended, stop: () => stop.abort(), metrics: shell.metrics };
  agents.push(agent);
  return agent;
}

function report(): NodeReport | undefined {
  return decodeNodeReport(api.lease?.metadata.annotations?.[reportAnnotation]);
}

/** How many renewals were acknowledged in this time. */
async function renewalsIn(durationMs: number): Promise<number> {
  const seen = new Set<string>();
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    seen.add(api.lease?.spec?.renewTime ?? '');
    await sleep(5);
  }
  return seen.size - 1;
}

describe('an agent on a machine', () => {
  it('writes its own Lease, named for driver and node, and nothing else', async () => {
    startAgent();
    await until(() => report()?.driver === 'ok');
    expect(report()).toMatchObject({ bootId: 'boot-1', nodeId: 'id-a', kubelet: 'ok' });
    expect(api.lease?.spec?.holderIdentity).toBe('node-a/boot-1');
    expect(api.lease?.metadata).toMatchObject({ labels: { 'csi-failover.io/driver': driverName } });
    const leases = '/apis/coordination.k8s.io/v1/namespaces/storage/leases';
    const own = `${leases}/${driverName}.node-a`;
    const allowed = [`GET ${own}`, `POST ${leases}`, `PUT ${own}`];
    expect(api.requests.filter((request) => !allowed.includes(request))).toEqual([]);
  });

  it('asks the driver for its name when nobody told it', async () => {
    startAgent([], []);
    await until(() => report()?.driver === 'ok');
    expect(api.lease?.metadata).toMatchObject({ name: `${driverName}.node-a` });
  });

  it("reports what the driver says of the volumes that the kubelet's files name", async () => {
    await driver[Symbol.asyncDispose]();
    publish('pv-1', 'vol-1');
    let status = 2;
    driver = await startNodePlugin('id-a', {
      nodeCapabilities: ['GET_VOLUME_HEALTH'],
      override: {
        NodeGetVolumeHealth: ({ volume_id, volume_publish_path }) => {
          const isThere = volume_id === 'vol-1' && String(volume_publish_path).endsWith('/mount');
          const health_statuses = status === 0 ? [] : [{ status, reason: 'NoPath' }];
          return isThere ? { volume_health: { volume_id, health_statuses } } : {};
        },
      },
    });
    const { metrics } = startAgent();
    await until(() => report()?.volumes?.bad === 1);
    expect(report()?.unhealthy).toEqual([
      { handle: 'vol-1', status: 'Inaccessible', reason: 'NoPath', message: '' },
    ]);
    const metric = 'csi_node_volume_health_status{volume_handle="vol-1",status="Inaccessible"} 1';
    expect((await metrics.render()).text).toContain(metric);
    status = 0;
    await until(() => report()?.volumes?.good === 1);
    expect(report()?.unhealthy).toEqual([]);
  });

  it('looks at the volumes itself where the driver tells nothing of them', async () => {
    publish('pv-1', 'vol-1');
    mkdirSync(join(folder, 'kubelet/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount'));
    mountVolume1();
    startAgent();
    await until(() => report()?.volumes?.good === 1);
    mountVolume1('rw,errors=remount-ro,emergency_ro');
    await until(() => report()?.volumes?.bad === 1);
    expect(report()?.unhealthy).toMatchObject([
      { handle: 'vol-1', status: 'Inaccessible', reason: 'ReadOnly' },
    ]);
  });

  it('leaves them alone when told so', async () => {
    publish('pv-1', 'vol-1');
    mountVolume1('rw,emergency_ro');
    startAgent(['--local-probes=false']);
    await until(() => report()?.driver === 'ok');
    await renewalsIn(800);
    expect(report()).toMatchObject({ unhealthy: [] });
    expect(report()).not.toHaveProperty('volumes');
  });

  it('carries the fence record forward and attests when the machine is clean', async () => {
    mountVolume1();
    startAgent();
    await until(() => report() !== undefined);
    const text = fenceText();
    api.annotate(fenceAnnotation, text);
    await renewalsIn(800);
    expect(report()).not.toHaveProperty('clean');
    write('mountinfo', rootMount);
    await until(() => report()?.clean !== undefined);
    expect(report()?.clean).toEqual({ epoch: 'e1', bootId: 'boot-1' });
    expect(api.lease?.metadata.annotations?.[fenceAnnotation]).toBe(text);
    api.annotate(fenceAnnotation, null);
    await until(() => report()?.clean === undefined);
    expect(api.lease?.metadata.annotations).not.toHaveProperty([fenceAnnotation]);
    // Otherwise nobody would have tried what happens when the controller writes in between.
    expect(api.statuses).toContain(409);
  });

  it('is not clean while its mount table cannot be read', async () => {
    rmSync(join(folder, 'mountinfo'));
    startAgent();
    await until(() => report() !== undefined);
    api.annotate(fenceAnnotation, fenceText());
    await renewalsIn(600);
    expect(report()).not.toHaveProperty('clean');
    write('mountinfo', rootMount);
    await until(() => report()?.clean !== undefined);
  });

  it('attests anew after a restart, and finds the record on its Lease', async () => {
    const first = startAgent();
    await until(() => report() !== undefined);
    api.annotate(fenceAnnotation, fenceText());
    await until(() => report()?.clean !== undefined);
    first.stop();
    await first.ended;
    expect(report()).toMatchObject({ driver: 'stopping' });
    startAgent();
    await until(() => report()?.driver === 'ok' && report()?.clean !== undefined);
    expect(report()?.clean).toEqual({ epoch: 'e1', bootId: 'boot-1' });
  });

  it('takes over another boot id', async () => {
    startAgent();
    await until(() => report()?.bootId === 'boot-1');
    write('boot_id', 'boot-2\n');
    await until(() => api.lease?.spec?.holderIdentity === 'node-a/boot-2');
    expect(report()).toMatchObject({ bootId: 'boot-2' });
  });

  it('keeps its pace while the driver hangs, and says that it does', async () => {
    startAgent();
    await until(() => report()?.driver === 'ok');
    driver.faults.set('*', 'hang');
    await until(() => report()?.driver === 'silent');
    expect(await renewalsIn(1000)).toBeGreaterThanOrEqual(7);
    driver.faults.set('*', undefined);
    await until(() => report()?.driver === 'ok');
  });

  it('sees the driver leave, and reads the node id anew when it is back', async () => {
    startAgent();
    await until(() => report()?.nodeId === 'id-a');
    await driver[Symbol.asyncDispose]();
    await until(() => report()?.driver === 'refused');
    driver = await startNodePlugin('id-b');
    await until(() => report()?.driver === 'ok' && report()?.nodeId === 'id-b');
  });

  it('reports a kubelet dead that it has seen alive', async () => {
    const kubelet = createServer((_, response) => response.end('ok'));
    await new Promise<void>((resolve) => {
      kubelet.listen(0, '127.0.0.1', () => resolve());
    });
    const { port } = kubelet.address() as AddressInfo;
    let asked = false;
    kubelet.on('request', () => {
      asked = true;
    });
    startAgent([`--kubelet-healthz-address=127.0.0.1:${port}`]);
    await until(() => asked);
    expect(report()?.kubelet ?? 'ok').toBe('ok');
    kubelet.close();
    await until(() => report()?.kubelet === 'dead');
  });

  it('goes on when the API server is back', async () => {
    startAgent();
    await until(() => report() !== undefined);
    api.hang(true);
    await sleep(800);
    api.hang(false);
    const before = api.lease?.spec?.renewTime;
    // What hung is waited for up to the timeout.
    await until(() => api.lease?.spec?.renewTime !== before);
    await until(() => report()?.driver === 'ok');
    expect(await renewalsIn(1000)).toBeGreaterThanOrEqual(5);
  });
});

describe('the end of an agent', () => {
  it('is announced in its report, and comes at once', async () => {
    const agent = startAgent();
    await until(() => report()?.driver === 'ok');
    const asked = performance.now();
    agent.stop();
    await agent.ended;
    expect(performance.now() - asked).toBeLessThan(1000);
    expect(report()).toMatchObject({ driver: 'stopping' });
  });

  it('does not wait for an API server that hangs', async () => {
    const agent = startAgent();
    await until(() => report()?.driver === 'ok');
    api.hang(true);
    agent.stop();
    const asked = performance.now();
    await agent.ended;
    expect(performance.now() - asked).toBeLessThan(8000);
  });

  it('does not wait for a driver that never said its name', async () => {
    driver.faults.set('*', 'hang');
    const agent = startAgent([], []);
    await sleep(100);
    const asked = performance.now();
    agent.stop();
    await agent.ended;
    expect(performance.now() - asked).toBeLessThan(2000);
    expect(api.requests).toEqual([]);
  });

  it('is a failure when there is no API server to be found', async () => {
    rmSync(join(folder, 'kubeconfig'));
    await expect(startAgent().ended).rejects.toThrow(/kubeconfig/);
  });
});
