/** Both ends of CSI against others' ends: our driver for tests, and the product's client. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CsiConnection } from '../../src/shared/csi/connection.ts';
import { CsiController } from '../../src/shared/csi/controller.ts';
import { probe, readControllerService, readDriverName } from '../../src/shared/csi/identity.ts';
import { readNodeCapabilities, readNodeId } from '../../src/shared/csi/node.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { startArray } from '../array/start-array.ts';
import { type Binaries, ensureBinaries } from '../cluster/binaries.ts';
import { pollController, pollNode } from '../driver/poll-health.ts';
import { startDriver } from '../driver/start-driver.ts';
import { eventually } from '../machine/eventually.ts';
import { ManagedProcess } from '../machine/process.ts';

let folder: string;
let binaries: Binaries;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'csi-'));
  binaries = await ensureBinaries();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(name: 'csi-sanity' | 'mock-driver', args: readonly string[]): ManagedProcess {
  return new ManagedProcess({
    name,
    command: binaries[name],
    args,
    env: { CSI_ENDPOINT: `unix://${join(folder, 'mock.sock')}` },
    logFile: join(folder, `${name}.log`),
    runId: `csi-contract-${process.pid}`,
  });
}

/** The part of ginkgo's report that we read. */
type Report = readonly {
  readonly SpecReports: readonly { readonly State: string; readonly LeafNodeText: string }[];
}[];

describe('the test driver', () => {
  it('is what csi-sanity takes for a CSI driver', async () => {
    await using array = await startArray();
    const socket = join(folder, 'csi.sock');
    await using driver = await startDriver({
      endpoint: `unix:${socket}`,
      mode: 'all',
      nodeId: 'node-a',
      knownNodes: ['node-a'],
      arrayAdmin: array.adminAddress,
      arrayNbd: array.nbdAddress,
      mountinfoFile: join(folder, 'mountinfo'),
      capabilities: [
        'CREATE_DELETE_VOLUME',
        'PUBLISH_UNPUBLISH_VOLUME',
        'LIST_VOLUMES',
        'LIST_VOLUMES_PUBLISHED_NODES',
        'GET_VOLUME',
      ],
      nodeCapabilities: ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS'],
    });
    const report = join(folder, 'report.json');
    await using sanity = start('csi-sanity', [
      `--csi.endpoint=unix://${socket}`,
      `--csi.stagingdir=${join(folder, 'staging')}`,
      `--csi.mountdir=${join(folder, 'mount')}`,
      `--ginkgo.json-report=${report}`,
      '--ginkgo.no-color',
    ]);
    const { code } = await sanity.exited;
    const specs = (JSON.parse(readFileSync(report, 'utf8')) as Report)
      .flatMap(({ SpecReports }) => SpecReports)
      .filter(({ LeafNodeText }) => LeafNodeText !== '');
    const failed = specs.filter(({ State }) => State === 'failed');
    expect(failed.map(({ LeafNodeText }) => LeafNodeText)).toEqual([]);
    // What is not advertised is skipped: a capability that gets lost must not look like success.
    expect(specs.filter(({ State }) => State === 'passed')).toHaveLength(48);
    expect(code).toBe(0);
    expect(driver.calls).toContain('NodePublishVolume');
  }, 120_000);
});

describe('the product’s CSI client', () => {
  let mock: ManagedProcess;
  let connection: CsiConnection;
  const deadlineMs = 5_000;
  const name = 'mock.csi.test';

  beforeAll(async () => {
    mock = start('mock-driver', ['-name', name, '--attach-limit', '0']);
    connection = new CsiConnection({
      address: `unix:${join(folder, 'mock.sock')}`,
      clock: systemClock,
    });
    await eventually(async () => (await probe(connection, deadlineMs)) === 'ok', {
      what: 'the mock driver',
    });
  }, 30_000);
  afterAll(async () => {
    connection.close();
    await mock.kill();
  });

  it('knows the driver by its name, and that it has a controller', async () => {
    expect(await readDriverName(connection, deadlineMs)).toMatchObject({
      outcome: { kind: 'Done' },
      name,
    });
    expect((await readControllerService(connection, deadlineMs)).present).toBe(true);
  });

  it('reads what controller and node can do', async () => {
    const controller = new CsiController({ connection, clock: systemClock, deadlineMs });
    expect((await controller.capabilities()).capabilities).toMatchObject({
      publishUnpublish: true,
      listVolumes: true,
      listVolumesPublishedNodes: true,
      getVolume: true,
      volumeCondition: true,
      getVolumeHealth: false,
    });
    expect((await readNodeCapabilities(connection, deadlineMs)).capabilities).toMatchObject({
      volumeStats: true,
      volumeCondition: true,
      volumeHealth: false,
    });
    expect((await readNodeId(connection, deadlineMs)).nodeId).toBe(name);
  });

  it('lists where volumes are published; what is not listed is absent, not detached', async () => {
    const controller = new CsiController({ connection, clock: systemClock, deadlineMs });
    const { outcome, publishedNodes } = await controller.publishedNodes(['1', '2', 'unknown']);
    expect(outcome.kind).toBe('Done');
    expect(publishedNodes.get('1')).toEqual([name]);
    expect([...publishedNodes.keys()].sort()).toEqual(['1', '2']);
  });

  it('hears the health of its volumes by the listing and by name', async () => {
    const controller = new CsiController({ connection, clock: systemClock, deadlineMs });
    const { outcome, volumes } = await controller.listHealth();
    expect(outcome.kind).toBe('Done');
    expect([...volumes].map(([handle, { status }]) => `${handle} ${status}`)).toEqual([
      '1 Healthy',
      '2 Healthy',
      '3 Healthy',
    ]);
    expect((await controller.volumeHealth('1')).health?.status).toBe('Healthy');
    expect((await controller.volumeHealth('unknown')).outcome).toMatchObject({
      kind: 'Failed',
      code: 'NOT_FOUND',
    });
  });

  it('polls its health from the controller’s side, and errors are no health', async () => {
    const controller = new CsiController({ connection, clock: systemClock, deadlineMs });
    using poll = pollController(controller, ['1', '2', 'unknown']);
    await eventually(() => poll.words.get('unknown') === 'absent', { what: 'all to be asked' });
    expect([poll.words.get('1'), poll.words.get('2')]).toEqual(['Healthy', 'Healthy']);
  });

  it('polls its health from the node’s side; a volume that is not there is not bad', async () => {
    using poll = pollNode(connection, ['1']);
    await eventually(() => poll.words.has('failed'), { what: 'it to be asked' });
    // It is not published at this path, and the mock says so by an error beside its condition.
    expect(poll.words.get('failed')).toBe('NOT_FOUND');
    expect(poll.words.get('offered')).toBe('true');
    expect(poll.words.has('1')).toBe(false);
  });

  it('notices when the driver is gone and when it is back', async () => {
    await mock.kill();
    await eventually(async () => (await probe(connection, deadlineMs)) === 'refused', {
      what: 'a refusal',
    });
    mock = start('mock-driver', ['-name', name, '--attach-limit', '0']);
    await eventually(async () => (await probe(connection, deadlineMs)) === 'ok', {
      what: 'the driver to be back',
    });
  }, 30_000);
});
