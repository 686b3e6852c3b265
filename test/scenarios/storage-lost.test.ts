import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { processesOf } from '../machine/process.ts';
import { fence, labelled, type Mark, shortSettings, Stage } from './stage.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];
/** The driver itself waits 2 s for an array that is silent. */
const health = ['--health-interval=3s', '--unhealthy-after=6s', '--list-volumes-interval=3s'];

describe('a machine that loses its storage while its kubelet lives', () => {
  let stage: Stage;
  let mark: Mark;

  beforeAll(async () => {
    const { agentFlags = [], ...settings } = shortSettings(fence, ...health);
    stage = await Stage.open('storage-lost', {
      ...settings,
      agentFlags: [...agentFlags, ...health],
    });
    await stage.place(plans, 'worker-a');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('its pods end in order and write elsewhere, and nothing is taken by force', async () => {
    mark = stage.mark();
    stage.bed.machine('worker-a').cutStorage();
    await stage.move(plans, 'worker-a', 40_000);
    expect(forced()).toEqual([]);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'NodeStorageLost' });
  }, 60_000);

  it('is given back when its storage is', async () => {
    stage.bed.machine('worker-a').healStorage();
    await stage.released(90_000);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'NodeReleased' });
  }, 100_000);

  it('where it hangs, volumes that the kubelet cannot let go of are fenced', async () => {
    const [plan] = plans;
    if (plan === undefined) return;
    const node = stage.podOf(plan)?.spec.nodeName ?? '';
    mark = stage.mark();
    stage.bed.machine(node).hangStorage();
    await stage.move([plan], node, 60_000);
    expect(forced()).not.toEqual([]);
  }, 80_000);

  it('no replaced pod ever wrote again, and no process is left behind', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);

  /** Holds, and pods that were ended without their kubelet. */
  function forced(): readonly string[] {
    return stage.oursSince(mark).filter((word) => /^(hold|eviction)/.test(word));
  }
});
