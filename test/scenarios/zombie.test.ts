import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { slotOfPlan, volumeHandle } from '../machine/workload-objects.ts';
import { fence, labelled, shortSettings, Stage } from './stage.ts';

const honest = labelled('StatefulSet', 'honest');
const deployment = labelled('Deployment', 'honest-too');
/** Its volume is on a part of the array that answers OK and revokes nothing. */
const betrayed = labelled('StatefulSet', 'betrayed');

describe('a machine that freezes, whose pods move, and that thaws', () => {
  let stage: Stage;
  let bootId: string | undefined;

  beforeAll(async () => {
    stage = await Stage.open('zombie', shortSettings(fence));
    await stage.place([honest, deployment, betrayed], 'worker-a');
    await stage.bed.array.setUnpublishMode({ kind: 'lie' }, volumeHandle(betrayed));
    const machine = stage.bed.machine('worker-a');
    bootId = machine.bootId;
    machine.freeze();
    await stage.move([honest, deployment, betrayed], 'worker-a');
    // Its kubelet must not learn that the pods are gone before they have tried to write.
    machine.cutApi();
    machine.thaw();
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('is rejected by the array, and no replaced pod writes after its replacement', async () => {
    const slots = [honest, deployment].map(slotOfPlan);
    const rejected = async (): Promise<readonly string[]> => {
      const { writers } = await stage.bed.array.verdict();
      const old = writers.filter(({ nodeId, rejected }) => nodeId === 'worker-a' && rejected > 0);
      return slots.filter((slot) => old.some((one) => one.slot === slot));
    };
    await eventually(async () => (await rejected()).length === slots.length, {
      what: 'the writes of both old pods to be rejected',
    });
    const { violations } = await stage.bed.array.verdict();
    expect(violations.filter(({ entry }) => slots.includes(entry.slot))).toEqual([]);
  }, 20_000);

  it('makes the judge count violations behind the fence that lies', async () => {
    const lied = await eventually(
      async () => {
        const { violations } = await stage.bed.array.verdict();
        const found = violations.filter(({ entry }) => entry.slot === slotOfPlan(betrayed));
        return found.length > 0 && found;
      },
      { what: 'the judge to object' },
    );
    expect([...new Set(lied.map(({ entry }) => entry.nodeId))]).toEqual(['worker-a']);
  }, 20_000);

  it('is cleaned and released with the boot id that it had', async () => {
    stage.bed.machine('worker-a').healApi();
    await stage.released(60_000);
    expect(stage.bed.store.find('nodes', 'worker-a')?.status?.nodeInfo?.bootID).toBe(bootId);
    const machine = stage.bed.machine('worker-a');
    expect(await machine.workloads()).toEqual([]);
    expect(stage.bed.store.find('nodes', 'worker-a')?.status?.volumesInUse).toEqual([]);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'NodeReleased' });
  }, 70_000);

  it('was one episode in which nothing forbidden was done', () => {
    expect(stage.crimes()).toEqual([]);
  });

  it('leaves no process behind', async () => {
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
