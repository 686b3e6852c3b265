import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport } from '../../src/shared/record.ts';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { fence, labelled, type Mark, shortSettings, Stage } from './stage.ts';
import { isConfirmedHold } from './traces.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];

describe('a CSI driver whose socket hangs', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open('driver-hangs', shortSettings(fence));
    await stage.place(plans, 'worker-a');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  function driverWord(node: string): string | undefined {
    const name = `test.csi-failover.io.${node}`;
    const lease = stage.bed.store.find('leases', name, 'csi-driver');
    return decodeNodeReport(lease?.metadata.annotations?.[reportAnnotation])?.driver;
  }

  it('on a node: is reported by the agent, and nothing moves', async () => {
    const mark = stage.mark();
    const machine = stage.bed.machine('worker-a');
    machine.freezePlugin(true);
    // It waits for an answer as long as --timeout says, 15 s.
    const silent = { what: 'the agent to report silence', withinMs: 30_000 };
    await eventually(() => driverWord('worker-a') === 'silent', silent);
    await sleep(5_000);
    machine.freezePlugin(false);
    const well = { what: 'the agent to report that the driver answers', withinMs: 20_000 };
    await eventually(() => driverWord('worker-a') === 'ok', well);
    expect(stage.touchesSince(mark)).toEqual([]);
    for (const plan of plans) await stage.writesOn(plan, 'worker-a', { since: Date.now() });
  }, 60_000);

  describe('at the controller, when a machine dies', () => {
    let off: Mark;

    it('holds the pods where they are while the unpublish is not answered', async () => {
      off = stage.mark();
      await stage.bed.array.setUnpublishMode({ kind: 'lost' });
      for (const { processes } of stage.bed.replicas) processes.get('plugin')?.signal('SIGSTOP');
      await stage.bed.machine('worker-a').powerOff();
      for (const plan of plans) {
        const name = stage.podOf(plan)?.metadata.name;
        const waits = { kind: 'Pod', name, reason: 'FailoverWaiting', withinMs: 30_000 };
        await stage.event({ ...waits, says: 'fence-unconfirmed' });
      }
      expect(stage.movesSince(off).filter((move) => move.startsWith('pod'))).toEqual([]);
    }, 40_000);

    it('holds them still while the driver does not say that the node is off', async () => {
      await stage.bed.array.setUnpublishMode({ kind: 'honest' });
      // The attacher tries again when its own call has timed out.
      await eventually(() => holds().length === plans.length && holds().every(isConfirmedHold), {
        what: 'the attacher to confirm both holds',
        withinMs: 40_000,
      });
      await sleep(4_000);
      expect(stage.movesSince(off).filter((move) => move.startsWith('pod'))).toEqual([]);
    }, 60_000);

    it('finishes when the driver answers again', async () => {
      for (const { processes } of stage.bed.replicas) processes.get('plugin')?.signal('SIGCONT');
      await stage.move(plans, 'worker-a', 30_000);
      expect(await stage.violations()).toEqual([]);
      expect(stage.episodes()).toHaveLength(1);
    }, 40_000);
  });

  function holds() {
    return stage.bed.store
      .all('volumeattachments')
      .filter(({ spec, metadata }) => spec.nodeName === 'worker-a' && metadata.deletionTimestamp);
  }

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
