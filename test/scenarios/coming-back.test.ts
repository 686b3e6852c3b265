import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { claimName } from '../machine/workload-objects.ts';
import { fence, labelled, type Mark, shortSettings, Stage } from './stage.ts';
import { recordOf } from './traces.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];

describe('a node that is cut off from the API and comes back', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open('coming-back', shortSettings(fence));
    await stage.place(plans, 'worker-a');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('before the fence: the intent is withdrawn, nothing moves, nothing is left', async () => {
    const mark = stage.mark();
    const machine = stage.bed.machine('worker-a');
    // The taint comes before the first fence; while it cannot be set nothing is fenced.
    const heal = stage.bed.server.onRequest(({ method, path, identity }) =>
      identity.startsWith('controller') && method === 'PATCH' && path === '/api/v1/nodes/worker-a'
        ? { fail: 503 }
        : undefined,
    );
    machine.cutApi();
    await eventually(() => stage.episodes().length === 1, {
      what: 'the intent to be written',
      withinMs: 15_000,
    });
    await sleep(1_000);
    machine.healApi();
    await eventually(() => !stage.leftOvers().some((left) => left.startsWith('record Intent')), {
      what: 'the intent to be withdrawn',
    });
    heal();
    await stage.released(15_000);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'FailoverWithdrawn' });
    const since = Date.now();
    await sleep(2_000);
    expect(stage.movesSince(mark)).toEqual([]);
    expect(stage.leftOvers()).toEqual([]);
    for (const plan of plans) await stage.writesOn(plan, 'worker-a', { since });
  }, 60_000);

  describe('after the fence was sent', () => {
    let cut: Mark;
    let bootId: string | undefined;

    beforeAll(() => {
      cut = stage.mark();
      bootId = stage.bed.machine('worker-a').bootId;
    });

    it('waits, while the driver does not answer, with the pods where they are', async () => {
      const machine = stage.bed.machine('worker-a');
      stage.bed.attacherDriver.signal('SIGSTOP');
      machine.cutApi();
      for (const plan of plans) {
        const name = stage.podOf(plan)?.metadata.name;
        const waits = { kind: 'Pod', name, reason: 'FailoverWaiting', says: 'fence-unconfirmed' };
        await stage.event({ ...waits, withinMs: 30_000 });
      }
      expect(stage.movesSince(cut).filter((move) => move.startsWith('pod'))).toEqual([]);
      const record = recordOf(
        stage.bed.store.find('leases', 'test.csi-failover.io.worker-a', 'csi-driver'),
      );
      expect(record?.phase).toBe('Intent');
    }, 40_000);

    it('is finished although the node lives again: the pods run elsewhere', async () => {
      stage.bed.machine('worker-a').healApi();
      await sleep(4_000);
      expect(stage.movesSince(cut).filter((move) => move.startsWith('pod'))).toEqual([]);
      stage.bed.attacherDriver.signal('SIGCONT');
      await stage.move(plans, 'worker-a', 40_000);
      expect(await stage.violations()).toEqual([]);
      for (const plan of plans) {
        const claim = { kind: 'PersistentVolumeClaim', name: claimName(plan) };
        await stage.event({ ...claim, reason: 'VolumeFenced' });
        await stage.event({ ...claim, reason: 'FailoverCompleted' });
      }
    }, 60_000);

    it('is released with the boot id that it had, once it is clean', async () => {
      await stage.released(60_000);
      const machine = stage.bed.machine('worker-a');
      expect(await machine.workloads()).toEqual([]);
      expect(stage.bed.store.find('nodes', 'worker-a')?.status?.nodeInfo?.bootID).toBe(bootId);
      expect(stage.episodes()).toHaveLength(2);
      expect(await stage.violations()).toEqual([]);
    }, 70_000);
  });

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
