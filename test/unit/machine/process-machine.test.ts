import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { type RunningArray, startArray } from '../../array/start-array.ts';
import { CsiClient } from '../../machine/csi-client.ts';
import { eventually } from '../../machine/eventually.ts';
import { KubeletDisk } from '../../machine/kubelet-disk.ts';
import { processesOf } from '../../machine/process.ts';
import { ProcessMachine } from '../../machine/process-machine.ts';
import { RuntimeClient } from '../../machine/runtime-client.ts';

const handle = 'vol-1';
const podUid = 'pod-1';
const driverName = 'test.csi-failover.io';

// What is waited for says itself that it is late: this only ends what hangs.
jest.setTimeout(60_000);

let folder: string;
let array: RunningArray;
let machine: ProcessMachine;
let runId: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bed-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  count += 1;
  runId = `machine-test-${process.pid}-${count}`;
  array = await startArray();
  array.array.createVolume(handle, 1_048_576);
  array.array.publish(handle, 'worker-a');
  const [host = '', port] = array.nbdAddress.split(':');
  machine = await ProcessMachine.create({
    name: 'worker-a',
    folder: join(folder, String(count)),
    runId,
    driverName,
    namespace: 'csi',
    // Nobody listens there: these tests are about the machine, not about the cluster.
    api: { host: '127.0.0.1', port: 1 },
    access: () => Promise.resolve({ server: 'http://127.0.0.1:1' }),
    nbd: { host, port: Number(port) },
    bundle: undefined,
    dialect: 'health',
    writeIntervalMs: 20,
  });
  await machine.boot();
});

afterEach(async () => {
  await machine[Symbol.asyncDispose]();
  await array[Symbol.asyncDispose]();
});

/** Stages, publishes and starts a writer, as the kubelet does. */
async function runPod(): Promise<void> {
  const memory = join(folder, String(count), 'worker-a', 'memory');
  const csi = new CsiClient(`unix:${join(memory, 'csi.sock')}`);
  const disk = new KubeletDisk(machine.kubeletDir, machine.mountinfoFile);
  const staging_target_path = disk.stagingPath({ driver: driverName, handle });
  const target_path = disk.targetPath(podUid, 'pv-1');
  await eventually(
    async () => {
      const request = { volume_id: handle, staging_target_path };
      await csi.call('NodeStageVolume', request, 1_000);
      await csi.call('NodePublishVolume', { ...request, target_path }, 1_000);
      return true;
    },
    { what: 'the plugin' },
  );
  csi.close();
  const runtime = new RuntimeClient(join(memory, 'runtime.sock'));
  await runtime.start({ podUid, slot: 'shop/web-0', mounts: [target_path] });
  await written(1);
}

/** Waits until so many more writes were accepted. */
async function written(more: number): Promise<void> {
  const { journal } = array.array;
  const before = journal.length;
  await eventually(() => journal.length >= before + more, { what: 'writes' });
}

/** Waits until what was on its way has arrived: no write comes for a while. */
async function quiet(): Promise<void> {
  await eventually(async () => (await writesWithin(200)) === 0, { what: 'the writes to end' });
}

/** How many writes came within a while. */
async function writesWithin(ms: number): Promise<number> {
  const before = array.array.journal.length;
  await sleep(ms);
  return array.array.journal.length - before;
}

describe('ProcessMachine', () => {
  it('runs a pod that writes to the array', async () => {
    await runPod();
    await written(5);
    expect(await machine.workloads()).toEqual([
      { slot: 'shop/web-0', podUid, volume: handle, state: 'writing' },
    ]);
    expect(array.array.verdict().writers).toMatchObject([{ podUid, nodeId: 'worker-a' }]);
  });

  it('loses all at once with its power, and nobody is told', async () => {
    await runPod();
    const before = processesOf(runId).length;
    await machine.powerOff();
    expect([before, processesOf(runId).length]).toEqual([3, 0]);
    expect(machine.bootId).toBeUndefined();
    expect(await machine.workloads()).toEqual([]);
    await quiet();
    expect(await writesWithin(200)).toBe(0);
  });

  it('comes back as another life: new boot id, empty mount table, the disk as it was', async () => {
    await runPod();
    const disk = new KubeletDisk(machine.kubeletDir, machine.mountinfoFile);
    const volume = {
      driver: driverName,
      handle,
      pv: 'pv-1',
      claim: 'data-web-0',
      uniqueName: `kubernetes.io/csi/${driverName}^${handle}`,
      attachRequired: true,
      shared: false,
      onePod: false,
      readOnly: false,
    };
    disk.notePublished(volume, { podUid, nodeName: 'worker-a', attachment: 'va' });
    expect(disk.state().published).toHaveLength(1);
    const { bootId } = machine;
    await machine.reboot();
    expect(machine.bootId).not.toBe(bootId);
    expect(disk.state()).toEqual({ staged: [], published: [] });
    expect(disk.publishedAt(podUid, volume)).toBe(disk.targetPath(podUid, 'pv-1'));
    expect(await machine.workloads()).toEqual([]);
    await runPod();
    await written(3);
  });

  it('keeps its pods when the kubelet dies', async () => {
    await runPod();
    await machine.killKubelet();
    expect([...machine.processes.keys()].sort()).toEqual(['plugin', 'runtime']);
    await written(3);
    await machine.restartKubelet();
    expect(machine.processes.get('kubelet')?.alive).toBe(true);
    expect(await machine.workloads()).toHaveLength(1);
  });

  it('writes nothing while it is frozen, and goes on when it thaws', async () => {
    await runPod();
    machine.freeze();
    await quiet();
    expect(await writesWithin(300)).toBe(0);
    machine.thaw();
    await written(3);
  });

  it('is told when its storage is cut, and goes on when it is healed', async () => {
    await runPod();
    machine.cutStorage();
    await eventually(async () => (await machine.workloads())[0]?.state === 'stalled', {
      what: 'a writer that noticed',
    });
    await quiet();
    expect(await writesWithin(200)).toBe(0);
    machine.healStorage();
    await written(3);
  });

  it('waits without knowing when its storage hangs, and what was on the way still arrives', async () => {
    await runPod();
    machine.hangStorage();
    await quiet();
    expect(await writesWithin(300)).toBe(0);
    const { length } = array.array.journal;
    machine.healStorage();
    await eventually(() => array.array.journal.length > length, { what: 'late writes' });
    await eventually(async () => (await machine.workloads())[0]?.state === 'writing', {
      what: 'a writer that goes on',
    });
  });
});
