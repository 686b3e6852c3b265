import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { processesOf } from '../machine/process.ts';
import { fence, labelled, shortSettings, Stage } from './stage.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];
const outageMs = 30_000;
/** As shortSettings has it. */
const lostAfterMs = 2_500;

describe.each(['refuses connections', 'hangs'] as const)(
  'an API server that %s for 30 s',
  (how) => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.open(`api-${how.split(' ')[0]}`, shortSettings(fence));
      await stage.place(plans, 'worker-a');
    }, 60_000);
    afterAll(() => stage.close(), 20_000);

    async function gone(away: boolean): Promise<void> {
      if (how === 'hangs') stage.bed.server.hang(away);
      else await stage.bed.server.refuse(away);
    }

    it(
      'moves nothing, neither during the outage nor after it',
      async () => {
        const mark = stage.mark();
        await gone(true);
        await sleep(outageMs);
        await gone(false);
        const since = Date.now();
        // Everybody has to come back: what hung gives up first, and silences start again.
        await sleep(10_000);
        expect(stage.touchesSince(mark)).toEqual([]);
        for (const plan of plans) await stage.writesOn(plan, 'worker-a', { since });
      },
      outageMs + 30_000,
    );

    it('does not keep a real death from being handled afterwards', async () => {
      await stage.bed.machine('worker-a').powerOff();
      const moved = await stage.move(plans, 'worker-a', 30_000);
      expect(moved).toHaveLength(plans.length);
      expect(await stage.violations()).toEqual([]);
    }, 40_000);

    it('leaves no process behind', async () => {
      expect(stage.crimes()).toEqual([]);
      expect(processesOf(await stage.close())).toEqual([]);
    }, 20_000);
  },
);

describe('a machine that dies while the API server is away', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open('api-death', shortSettings(fence));
    await stage.place(plans, 'worker-a');
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  it('is failed over once its silence was really heard', async () => {
    await stage.bed.server.refuse(true);
    await sleep(1_000);
    await stage.bed.machine('worker-a').powerOff();
    await sleep(6_000);
    await stage.bed.server.refuse(false);
    await stage.move(plans, 'worker-a', 60_000);
    const { requests } = stage.bed.server;
    const begun = requests.findIndex(
      ({ method, path, identity }) =>
        identity.startsWith('controller-') && method === 'PATCH' && path.endsWith('.worker-a'),
    );
    const heard = requests
      .slice(0, begun)
      .findLast(
        ({ watch, path, identity, status }) =>
          watch &&
          path.endsWith('/csi-driver/leases') &&
          status === 200 &&
          identity === requests[begun]?.identity,
      );
    // All were silent until then; only from there on silence counts.
    expect((requests[begun]?.at ?? 0) - (heard?.at ?? Number.NaN)).toBeGreaterThan(lostAfterMs);
    expect(stage.episodes()).toHaveLength(1);
    expect(await stage.violations()).toEqual([]);
  }, 80_000);

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
