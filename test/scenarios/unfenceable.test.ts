import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { processesOf } from '../machine/process.ts';
import { labelled, type Mark, shortSettings, Stage } from './stage.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];

describe.each([
  { fence: '--fence=none', because: 'is declared', says: '--fence=none' },
  { fence: '--fence=auto', because: 'is known for the driver', says: 'declare it by --fence' },
])('a machine that dies where no fence $because ($fence)', ({ fence, says }) => {
  let stage: Stage;
  let off: Mark;

  beforeAll(async () => {
    stage = await Stage.open(`unfenceable-${fence.slice('--fence='.length)}`, {
      ...shortSettings(fence),
      machines: ['worker-a', 'worker-b'],
      replicas: 1,
    });
    await stage.place(plans, 'worker-a');
    off = stage.mark();
    await stage.bed.machine('worker-a').powerOff();
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('says on each labelled pod that it is unfenceable, and what to do', async () => {
    for (const plan of plans) {
      const pod = { kind: 'Pod', name: stage.podOf(plan)?.metadata.name, reason: 'FailoverHeld' };
      const { message } = await stage.event({ ...pod, says: 'unfenceable' });
      expect(message).toContain(says);
    }
  }, 30_000);

  it('moves nothing and writes nothing but Events', async () => {
    // Longer than the episode of a fenceable one takes from here on.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(stage.touchesSince(off)).toEqual([]);
    for (const plan of plans) expect(await stage.machinesOf(plan)).toEqual(['worker-a']);
  });

  it('leaves no process behind', async () => {
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});

describe('the same where a person insists (--unsafe-move-without-fence)', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open('unfenceable-unsafe', {
      ...shortSettings('--fence=none', '--unsafe-move-without-fence'),
      machines: ['worker-a', 'worker-b'],
      replicas: 1,
    });
    await stage.place(plans, 'worker-a');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('moves the pods, and takes away what it can before', async () => {
    await stage.bed.machine('worker-a').powerOff();
    await stage.move(plans, 'worker-a', 30_000);
    expect(stage.crimes()).toEqual([]);
    expect(await stage.violations()).toEqual([]);
  }, 40_000);

  it('promises nothing to people', async () => {
    const started = { kind: 'Pod', name: 'web-0', reason: 'FailoverStarted' };
    await stage.event({ ...started, says: '--unsafe-move-without-fence' });
    const reasons = (await stage.events()).map(({ reason }) => reason);
    expect(reasons).not.toContain('VolumeFenced');
  }, 20_000);

  it('gives the machine back by the same proof', async () => {
    await stage.bed.machine('worker-a').boot();
    await stage.released(60_000);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 80_000);
});
