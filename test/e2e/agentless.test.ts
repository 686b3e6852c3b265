import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fenceAnnotation, heartbeatLease } from '../../src/shared/names.ts';
import type { Lease } from '../model/objects.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('agentless', 2);
const [a = '', b = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web');

describe('a machine whose agent never came up', () => {
  let stage: ClusterStage;
  let down: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, { ...fastSettings(), replicas: 1 });
    await stage.seat([web]);
    await stage.bed.machine(a).stopAgent();
    const [namespace, name] = [
      stage.bed.installations[0]?.namespace,
      heartbeatLease(scene.driverName, a),
    ];
    await stage.bed.api.delete('leases', { namespace, name }, { gracePeriodSeconds: 0 });
    down = stage.mark();
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  function heartbeat(): Lease | undefined {
    const name = heartbeatLease(scene.driverName, a);
    return stage.all('leases').find(({ metadata }) => metadata.name === name);
  }

  it('is watched by its kubelet alone: nothing moves while that renews', async () => {
    // It is said when it is no restart any more: 12 s, three times lost-after, after its Lease went,
    // or after a renewal of its kubelet that came late.
    const withinMs = 30_000;
    await stage.event({ kind: 'Node', name: a, reason: 'NodeAgentDown', withinMs });
    expect(stage.touchesSince(down)).toEqual([]);
    expect(heartbeat()).toBeUndefined();
  }, 45_000);

  it('is lost when Kubernetes, too, calls it unknown; the record makes a Lease of its own', async () => {
    await stage.bed.machine(a).powerOff();
    await stage.move([web], a, 120_000);
    expect(heartbeat()?.spec?.holderIdentity).toBeUndefined();
    expect(heartbeat()?.metadata.annotations?.[fenceAnnotation]).toBeDefined();
  }, 150_000);

  it('writes into that Lease when its agent comes after all, and is released', async () => {
    await stage.bed.machine(a).boot();
    await stage.released(90_000);
    expect(heartbeat()?.spec?.holderIdentity).toMatch(new RegExp(`^${a}/`));
    expect(await stage.machinesOf(web)).toEqual([a, b]);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  }, 120_000);
});
