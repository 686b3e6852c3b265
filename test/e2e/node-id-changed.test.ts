import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle } from '../machine/workload-objects.ts';
import { setNodeId } from './node-id.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('renamed', 2);
const [dying = ''] = scene.machines;
const again = `${dying}-again`;
const web = labelled(scene, 'StatefulSet', 'web');

describe('21: CSINode is created again with another node id, and the attacher follows it', () => {
  let stage: ClusterStage;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, {
      ...fastSettings('--max-lost-nodes=100%'),
      foundation: { attacherFlags: ['--reconcile-sync=2s'] },
    });
    await stage.seat([web]);
    await sleep(2_000);
    await setNodeId(stage.bed.api, dying, again);
    // From then on no object of Kubernetes says under which id the machine has its access.
    await eventually(async () => (await publishedTo()).includes(again), {
      what: `the attacher to publish to ${again}`,
      withinMs: 30_000,
    });
    off = stage.mark();
    await stage.bed.machine(dying).powerOff();
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  async function publishedTo(): Promise<readonly string[]> {
    const volumes = await stage.bed.array.volumes();
    return volumes.find(({ handle }) => handle === volumeHandle(web))?.publishedNodes ?? [];
  }

  it('is held, because the agent knew another id', async () => {
    const says = `node-id-changed: the agent last knew the node as ${dying}, CSINode says ${again}`;
    const pod = { kind: 'Pod', name: 'web-0' };
    await stage.event({ ...pod, reason: 'FailoverHeld', says, withinMs: 30_000 });
    await sleep(4_000);
    expect(stage.touchesSince(off)).toEqual([]);
    expect(await publishedTo()).toEqual([dying, again]);
  }, 60_000);

  it('goes on where it was when its machine is back', async () => {
    const since = Date.now();
    await stage.bed.machine(dying).boot();
    await stage.writesOn(web, dying, { since, withinMs: 60_000 });
    expect(stage.touchesSince(off)).toEqual([]);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  }, 90_000);
});
