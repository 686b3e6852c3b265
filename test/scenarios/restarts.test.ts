import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';
import { defaultSettings, labelled, type Mark, Stage } from './stage.ts';
import { of } from './traces.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];
const elsewhere = labelled('StatefulSet', 'on-b');
/** Default --lost-after. */
const lostAfterMs = 10_000;

describe('restarts of single parts of a machine, with default flags', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open('restarts', defaultSettings);
    await stage.place(plans, 'worker-a');
    await stage.place([elsewhere], 'worker-b');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  async function stillThere(): Promise<void> {
    const since = Date.now();
    for (const plan of plans) await stage.writesOn(plan, 'worker-a', { since });
    await stage.writesOn(elsewhere, 'worker-b', { since });
  }

  function renewedSince(mark: Mark, node: string): boolean {
    return of(stage.changes(mark), 'leases').some(
      ({ object: { metadata } }) =>
        metadata.namespace === 'kube-node-lease' && metadata.name === node,
    );
  }

  it('does nothing when an agent is restarted within lost-after', async () => {
    const mark = stage.mark();
    const machine = stage.bed.machine('worker-a');
    await machine.stopAgent();
    await sleep(lostAfterMs / 2);
    await machine.startAgent();
    await sleep(3_000);
    expect(stage.touchesSince(mark)).toEqual([]);
    expect((await stage.events()).filter(({ kind }) => kind === 'Node')).toEqual([]);
    await stillThere();
  }, 30_000);

  it('does nothing when the kubelet is gone for 20 s', async () => {
    const mark = stage.mark();
    const machine = stage.bed.machine('worker-a');
    // Silence begins with its last renewal, which else may be 10 s ago: that would make it 30 s.
    await eventually(() => renewedSince(mark, 'worker-a'), {
      what: 'its kubelet to renew its Lease',
      withinMs: 20_000,
    });
    await machine.killKubelet();
    await sleep(20_000);
    await machine.restartKubelet();
    await sleep(3_000);
    expect(stage.touchesSince(mark)).toEqual([]);
    await stillThere();
  }, 60_000);

  it('moves nothing when agents are gone for longer than lost-after, and says so', async () => {
    const mark = stage.mark();
    const stopped = stage.bed.machine('worker-a');
    const killed = stage.bed.machine('worker-b');
    await stopped.stopAgent();
    // Without a goodbye: that the machine is not dead is told by its kubelet alone.
    await killed.processes.get('agent')?.kill();
    for (const { name } of [stopped, killed]) {
      // It is said when it is no restart any more, three times lost-after.
      const withinMs = 4 * lostAfterMs;
      const said = { kind: 'Node', name, reason: 'NodeAgentDown', withinMs };
      await stage.event({ ...said, says: 'nothing is moved' });
    }
    await stillThere();
    await killed.stopAgent();
    await Promise.all([stopped.startAgent(), killed.startAgent()]);
    await sleep(3_000);
    expect(stage.touchesSince(mark)).toEqual([]);
    await stillThere();
  }, 60_000);

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
