import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint, holdFinalizer } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle } from '../machine/workload-objects.ts';
import type { Node } from '../model/objects.ts';
import { ClusterStage, fastSettings, labelled, sceneOf } from './stage.ts';

const scene = sceneOf('again', 2);
const [dying = '', haven = ''] = scene.machines;
const web = labelled(scene, 'StatefulSet', 'web');
/** Long enough for a Node to go and to come. */
const slowly = { kind: 'slow', delayMs: 10_000 } as const;

describe('scenario 22: the Node is created again, under the same name, in the middle', () => {
  let stage: ClusterStage;
  let former: Node | undefined;
  let podUid: string | undefined;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings());
    await stage.seat([web]);
    await stage.bed.array.setUnpublishMode(slowly, volumeHandle(web));
    await sleep(2_000);
    former = stage.bed.foundation.find('nodes', dying);
    podUid = stage.podOf(web)?.metadata.uid;
    await stage.bed.machine(dying).powerOff();
    await eventually(isFencing, { what: 'the fence to be sent', withinMs: 30_000 });
    // Somebody has taken the machine out of the cluster, and a new one gets its name.
    const { uid } = former?.metadata ?? {};
    await stage.bed.api.delete('nodes', { name: dying }, { uid, gracePeriodSeconds: 0 });
    await eventually(() => stage.bed.foundation.find('csinodes', dying) === undefined, {
      what: 'the CSINode to go with its Node',
    });
    await stage.bed.machine(dying).boot();
  }, 180_000);
  afterAll(() => stage?.close(), 60_000);

  it('the new Node is kept from new pods before the old pod is ended', async () => {
    await eventually(() => newNode() !== undefined, { what: 'the new Node', withinMs: 30_000 });
    await stage.move([web], dying, 60_000);
    const changes = stage.changes();
    const taintedAt = changes.findIndex(
      ({ resource, object }) => resource === 'nodes' && isTainted(object as Node),
    );
    const taintedAgainAt = changes.findIndex(
      ({ resource, object }) =>
        resource === 'nodes' &&
        object.metadata.uid !== former?.metadata.uid &&
        isTainted(object as Node),
    );
    const endedAt = changes.findIndex(
      ({ type, resource, object }) =>
        resource === 'pods' &&
        object.metadata.uid === podUid &&
        (type === 'DELETED' || object.metadata.deletionTimestamp !== undefined),
    );
    expect(taintedAt).toBeGreaterThan(-1);
    expect(taintedAgainAt).toBeGreaterThan(taintedAt);
    expect(endedAt).toBeGreaterThan(taintedAgainAt);
  }, 90_000);

  it('nobody writes from there', async () => {
    const last = await stage.writesOn(web, haven, { since: Date.now() });
    expect(last.podUid).not.toBe(podUid);
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    const { writers } = await stage.bed.array.verdict();
    expect(writers.map((writer) => [writer.nodeId, writer.podUid])).toEqual([
      [dying, podUid],
      [haven, last.podUid],
    ]);
  });

  it('the new Node is released, and takes pods', async () => {
    await stage.released(90_000);
    const mayGoThere = labelled(scene, 'StatefulSet', 'next', { nodes: [dying] });
    await stage.bed.addWorkload(mayGoThere);
    await stage.writesOn(mayGoThere, dying, { withinMs: 30_000 });
    expect(stage.episodes()).toHaveLength(1);
  }, 120_000);

  function newNode(): Node | undefined {
    const node = stage.bed.foundation.find('nodes', dying);
    return node?.metadata.uid === former?.metadata.uid ? undefined : node;
  }

  function isTainted({ metadata, spec }: Node): boolean {
    const key = fencedTaint(scene.driverName);
    return metadata.name === dying && (spec?.taints ?? []).some((taint) => taint.key === key);
  }

  function isFencing(): boolean {
    return stage
      .all('volumeattachments')
      .some(
        ({ metadata }) =>
          metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(holdFinalizer),
      );
  }
});
