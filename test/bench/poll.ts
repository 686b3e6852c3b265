/**
 * `npm run bench:poll`: one sweep over the health of 10,000 volumes, as the product does it and as
 * a plain poller does it that asks for one volume after the other, against the same driver in a
 * process of its own. Prints time, calls, processor, memory, event-loop delay and their ratios;
 * asserts nothing, because machines differ.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CsiConnection } from '../../src/shared/csi/connection.ts';
import { CsiController } from '../../src/shared/csi/controller.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { controllerPoller } from '../driver/poll-health.ts';
import { startDriver } from '../driver/start-driver.ts';
import { type Stop, watchStops } from './longest-stop.ts';

const count = 10_000;
/** What the API of an array takes to answer for one volume; a listing is one such answer. */
const answerMs = 5;
const handles = Array.from({ length: count }, (_, i) => `pvc-volume-${i}`);

function entry(handle: string): object {
  return {
    volume: { volume_id: handle },
    status: { published_node_ids: ['node-1'], volume_condition: { message: 'all is well' } },
  };
}

/** The driver; by name it is given as the rest of its arguments what it can do. */
async function serve(endpoint: string, capabilities: readonly string[]): Promise<void> {
  const entries = handles.map(entry);
  await startDriver({
    endpoint,
    mode: 'all',
    capabilities,
    override: {
      ListVolumes: async () => {
        await sleep(answerMs);
        return { entries };
      },
      ControllerGetVolume: async ({ volume_id }) => {
        await sleep(answerMs);
        return entry(String(volume_id));
      },
    },
  });
  process.send?.('serving');
}

interface Sweep {
  readonly seconds: number;
  readonly calls: number;
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  readonly stop: Stop;
}

async function measured(connection: Counted, sweep: () => Promise<void>): Promise<Sweep> {
  const stops = watchStops();
  const cpu = process.cpuUsage();
  const before = connection.calls;
  const startedAt = performance.now();
  await sweep();
  const stop = stops();
  const { user, system } = process.cpuUsage(cpu);
  return {
    seconds: (performance.now() - startedAt) / 1_000,
    calls: connection.calls - before,
    cpuSeconds: (user + system) / 1e6,
    rssMiB: process.memoryUsage.rss() / 1024 / 1024,
    stop,
  };
}

interface Counted {
  calls: number;
}

/** Runs one sweep against a fresh driver that can do this. */
async function against(
  capabilities: readonly string[],
  sweep: (csi: CsiController) => Promise<void>,
): Promise<Sweep> {
  const folder = mkdtempSync(join(tmpdir(), 'poll-'));
  const endpoint = `unix:${join(folder, 'csi.sock')}`;
  const driver = spawn(process.execPath, [import.meta.filename, endpoint, ...capabilities], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const counted: Counted = { calls: 0 };
  const connection = new CsiConnection({
    address: endpoint,
    clock: systemClock,
    onCall: () => void (counted.calls += 1),
  });
  try {
    await once(driver, 'message');
    const csi = new CsiController({ connection, clock: systemClock, deadlineMs: 15_000 });
    await csi.capabilities();
    return await measured(counted, () => sweep(csi));
  } finally {
    connection.close();
    driver.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As the product sweeps: until it has said something of every volume. */
async function ours(csi: CsiController): Promise<void> {
  const heard = new Set<string>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const source = controllerPoller(csi, handles, {
    post: (fact) => {
      if (fact.kind === 'HealthListed') for (const handle of fact.volumes.keys()) heard.add(handle);
      if (fact.kind === 'HealthRead') heard.add(fact.handle);
      if (heard.size === count) resolve();
    },
    intervalMs: 3_600_000,
  });
  source.start();
  await promise;
  source.stop();
}

async function oneAfterTheOther(csi: CsiController): Promise<void> {
  for (const handle of handles) await csi.volumeHealth(handle);
}

function line(name: string, sweep: Sweep): string {
  const { seconds, calls, cpuSeconds, rssMiB, stop } = sweep;
  const { ms, computedMs, waitedMs } = stop;
  return (
    `${name}: ${seconds.toFixed(2)} s, ${calls} calls, ${cpuSeconds.toFixed(2)} s of processor, ` +
    `${rssMiB.toFixed(0)} MiB, longest stop of the event loop ${ms.toFixed(0)} ms ` +
    `(${computedMs.toFixed(0)} ms of it at work, ${waitedMs.toFixed(0)} ms waiting for a processor)`
  );
}

function ratios(name: string, plain: Sweep, other: Sweep): string {
  const ratio = (of: (sweep: Sweep) => number): string => (of(other) / of(plain)).toPrecision(2);
  return (
    `${name}, of the plain poller: time ${ratio((s) => s.seconds)}, ` +
    `calls ${ratio((s) => s.calls)}, processor ${ratio((s) => s.cpuSeconds)}, ` +
    `memory ${ratio((s) => s.rssMiB)}, event loop ${ratio((s) => s.stop.ms)}`
  );
}

async function bench(): Promise<void> {
  console.log(`${count} volumes; the driver takes ${answerMs} ms for each answer`);
  const byName = ['GET_VOLUME', 'VOLUME_CONDITION'];
  const plain = await against(byName, oneAfterTheOther);
  console.log(line('plain poller, one after the other as fast as it goes', plain));
  const listed = await against(['LIST_VOLUMES', ...byName], ours);
  console.log(line('ours, by the listing', listed));
  console.log(ratios('ours, by the listing', plain, listed));
  const paced = await against(byName, ours);
  console.log(line('ours, by name, 20 a second so that the array notices nothing', paced));
  console.log(ratios('ours, by name', plain, paced));
}

const [endpoint, ...capabilities] = process.argv.slice(2);
if (endpoint === undefined) await bench();
else await serve(endpoint, capabilities);
