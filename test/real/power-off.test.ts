import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { laneOf, stepsOf } from './lane.ts';
import { median, type Phases, phasesOf, shownPhases } from './phases.ts';
import { labelled, RealStage } from './real-stage.ts';
import { record, recordLane, recordSight } from './results.ts';
import { sightOf, sightOfFailover } from './sight.ts';

/** One for each time that the power goes: a node that failed is left alone for five minutes. */
const machines = ['worker-a', 'worker-b', 'worker-c', 'worker-d', 'worker-e'];
/** The product's promise, of which the new node's kubelet takes up to 10 s. */
const promiseMs = 25_000;
const web = labelled('web');

describe('a machine that loses its power, with default flags', () => {
  let stage: RealStage;
  const recoveries: Phases[] = [];

  beforeAll(async () => {
    stage = await RealStage.open('power-off', { machines });
    await stage.place(web);
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  /** For the drawing in the README. */
  async function show(phases: Phases, failedAt: number): Promise<void> {
    const summary = `web-0 writes again after ${(phases.total / 1000).toFixed(1)} s`;
    const words = { title: 'with csi-failover', summary, good: true, steps: stepsOf(phases) };
    recordLane('ours', laneOf(web, failedAt, await stage.bed.array.journal(), words));
  }

  it.each([1, 2, 3, 4, 5])(
    'the StatefulSet pod writes elsewhere: time %i',
    async (time) => {
      const from = stage.podOf(web)?.spec.nodeName ?? '';
      if (time === machines.length) await stage.cordon(machines, false);
      // The drawing shows what was before, too.
      if (time === 1) await sleep(5_000);
      const mark = stage.mark();
      await stage.bed.machine(from).powerOff();
      const writer = await stage.moves(web, from, 60_000);
      const firstWriteAt = writer.firstAcceptedAt ?? Number.NaN;
      const phases = phasesOf(stage.changes(mark), web, { failedAt: mark.at, firstWriteAt });
      recoveries.push(phases);
      console.info(`power off, ${time}: ${shownPhases(phases)}`);
      await stage.event({ kind: 'Pod', name: 'web-0', reason: 'FailoverCompleted' });
      const sight = time === 1 ? await sightOfFailover(stage, web, from) : '';
      if (time === 1) await show(phases, mark.at);
      await stage.cordon([from], true);
      await stage.bed.machine(from).boot();
      await eventually(() => stage.bed.isReady(from), {
        what: `${from} to be back`,
        withinMs: 60_000,
      });
      await stage.released(120_000);
      if (time === 1) {
        await stage.event({ kind: 'Node', name: from, reason: 'NodeReleased' });
        recordSight(`${sight}\n${await sightOf(stage, 'node', from)}`);
      }
      await stage.installation.ready();
      expect(await stage.violations(web)).toEqual([]);
      expect(await stage.damageSoFar(web)).toEqual([]);
    },
    300_000,
  );

  it('within 25 s, in the median of five', () => {
    const totals = recoveries.map(({ total }) => total);
    const seconds = (median(totals) / 1000).toFixed(1);
    record('power lost', 'ours', `writes elsewhere after ${seconds} s, the median of five`);
    expect(recoveries.length).toBe(machines.length);
    expect(median(totals)).toBeLessThanOrEqual(promiseMs);
  });

  it('no replaced pod ever wrote again, and file system and journal are whole', async () => {
    expect(await stage.violations(web)).toEqual([]);
    expect(await stage.damage(web)).toEqual([]);
  }, 180_000);
});
