import { describe, expect, it } from '@jest/globals';
import {
  probe,
  readControllerService,
  readDriverName,
} from '../../../../src/shared/csi/identity.ts';
import { readNodeCapabilities, readNodeId } from '../../../../src/shared/csi/node.ts';
import { scratch } from './scratch-driver.ts';
import { until } from '../../../until.ts';

/** Of calls that are answered, or refused: it only ends what hangs. */
const plentyMs = 20_000;

describe('connection', () => {
  it('gets the answers of a driver, and measures every call', async () => {
    await using s = scratch();
    await s.driver({ driverName: 'a.example.com', nodeId: 'n-1' });
    expect(await readDriverName(s.connection, plentyMs)).toMatchObject({ name: 'a.example.com' });
    expect(await readControllerService(s.connection, plentyMs)).toMatchObject({ present: true });
    expect(await readNodeId(s.connection, plentyMs)).toMatchObject({ nodeId: 'n-1' });
    expect(await probe(s.connection, plentyMs)).toBe('ok');
    expect(s.samples.map(({ method, code }) => [method, code])).toEqual([
      ['/csi.v1.Identity/GetPluginInfo', 0],
      ['/csi.v1.Identity/GetPluginCapabilities', 0],
      ['/csi.v1.Node/NodeGetInfo', 0],
      ['/csi.v1.Identity/Probe', 0],
    ]);
    expect(s.samples.every(({ seconds }) => seconds > 0 && seconds * 1_000 < plentyMs)).toBe(true);
  });

  it('ends a call at its deadline when the driver hangs', async () => {
    await using s = scratch();
    await s.driver({ faults: { Probe: 'hang' } });
    const begunAt = performance.now();
    expect(await probe(s.connection, 200)).toBe('silent');
    expect(performance.now() - begunAt).toBeLessThan(1_000);
    expect(s.samples[0]?.code).toBe(4);
    // The channel is not stuck behind it.
    expect(await readNodeId(s.connection, plentyMs)).toMatchObject({ nodeId: 'node' });
  });

  it('waits for a driver that is slow, and not beyond the deadline', async () => {
    await using s = scratch();
    await s.driver({ faults: { Probe: { delayMs: 300 } } });
    expect(await probe(s.connection, 2_000)).toBe('ok');
    expect(await probe(s.connection, 100)).toBe('silent');
  });

  it('tells a socket that nobody serves from a driver that hangs', async () => {
    await using s = scratch();
    expect(await probe(s.connection, plentyMs)).toBe('refused');
    const result = await readDriverName(s.connection, plentyMs);
    expect(result).toMatchObject({ name: '', outcome: { kind: 'Unknown', code: 'UNAVAILABLE' } });
  });

  it('counts every answer of a living process as life, also an error', async () => {
    await using s = scratch();
    const driver = await s.driver({ override: { Probe: () => ({ ready: {} }) } });
    expect(await probe(s.connection, plentyMs)).toBe('ok');
    driver.faults.set('Probe', { code: 'FAILED_PRECONDITION' });
    expect(await probe(s.connection, plentyMs)).toBe('ok');
    driver.faults.set('Probe', { code: 'UNIMPLEMENTED' });
    expect(await probe(s.connection, plentyMs)).toBe('ok');
  });

  it('finds a driver that comes later, goes and comes again, by itself', async () => {
    await using s = scratch();
    const first = await s.driver();
    await until(() => s.connection.connected);
    expect(s.connection.connections).toBe(1);
    await first[Symbol.asyncDispose]();
    await until(() => !s.connection.connected);
    expect(await probe(s.connection, plentyMs)).toBe('refused');
    await s.driver();
    await until(() => s.connection.connected);
    expect(s.connection.connections).toBe(2);
    expect(s.changes).toEqual([true, false, true]);
    expect(await probe(s.connection, plentyMs)).toBe('ok');
  });

  it('answers Unknown after it was closed', async () => {
    await using s = scratch();
    s.connection.close();
    const { outcome } = await readDriverName(s.connection, plentyMs);
    expect(outcome).toMatchObject({ kind: 'Unknown', code: 'CANCELLED' });
  });

  it('takes neither a name nor a node id that is empty', async () => {
    await using s = scratch();
    const empty = { GetPluginInfo: () => ({}), NodeGetInfo: () => ({ node_id: '' }) };
    await s.driver({ override: empty });
    expect((await readDriverName(s.connection, plentyMs)).outcome.kind).toBe('Failed');
    expect((await readNodeId(s.connection, plentyMs)).outcome.kind).toBe('Failed');
  });

  it('passes over capabilities that it does not know, and empty ones', async () => {
    await using s = scratch();
    const override = {
      NodeGetCapabilities: () => ({
        capabilities: [{ rpc: { type: 999 } }, {}, { rpc: {} }, { rpc: { type: 8 } }],
      }),
      GetPluginCapabilities: () => ({ capabilities: [{}, { service: { type: 77 } }] }),
    };
    const driver = await s.driver({ override });
    expect((await readNodeCapabilities(s.connection, plentyMs)).capabilities).toEqual({
      stageUnstage: false,
      volumeStats: false,
      volumeCondition: false,
      volumeHealth: false,
      storageHealth: true,
    });
    expect((await readControllerService(s.connection, plentyMs)).present).toBe(false);
    driver.faults.set('NodeGetCapabilities', { code: 'INTERNAL' });
    expect((await readNodeCapabilities(s.connection, plentyMs)).capabilities).toBeUndefined();
  });
});
