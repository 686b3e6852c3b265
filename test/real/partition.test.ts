import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UnpublishMode } from '../array/storage-array.ts';
import { eventually } from '../machine/eventually.ts';
import { volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import { labelled, RealStage, unlabelled } from './real-stage.ts';
import { record } from './results.ts';

/** Stock Kubernetes waits 50 s until it calls a node unreachable; we do not wait for that. */
const moveWithinMs = 45_000;
const backWithinMs = 120_000;
const [a, b, c] = ['worker-a', 'worker-b', 'worker-c'] as const;

describe('a machine that the API does not hear any more, while its storage path lives', () => {
  let stage: RealStage;

  beforeAll(async () => {
    stage = await RealStage.open('partition', { machines: [a, b, c] });
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  /** Nobody will carry out what the array is asked: to take a node's access away. */
  async function unpublishFails(plan: WorkloadPlan, fails: boolean): Promise<void> {
    const mode: UnpublishMode = fails ? { kind: 'fail', code: 'UNAVAILABLE' } : { kind: 'honest' };
    await stage.bed.array.setUnpublishMode(mode, volumeHandle(plan));
  }

  async function backAgain(machine: string): Promise<void> {
    stage.bed.machine(machine).healApi();
    await eventually(() => stage.bed.isReady(machine), {
      what: `${machine} back`,
      withinMs: 60_000,
    });
    await stage.released(backWithinMs);
  }

  describe('with csi-failover', () => {
    const web = labelled('web');

    it('refuses the old writer, which goes on, before the replacement starts', async () => {
      const old = await stage.place(web, a);
      const mark = stage.mark();
      stage.bed.machine(a).hangApi();
      const replacement = await stage.moves(web, a, moveWithinMs);
      await stage.refused(web, a);
      const [first] = await stage.writersOf(web);
      expect(first?.podUid).toBe(old.podUid);
      const [last = 0, next = 0] = [first?.lastAcceptedAt, replacement.firstAcceptedAt];
      expect(last).toBeLessThan(next);
      const after = (at: number): string => `${((at - mark.at) / 1000).toFixed(1)} s`;
      const what = `writes elsewhere after ${after(next)}; the old pod's last write: ${after(last)}`;
      record('cut off from the API, storage alive', 'ours', what);
    }, 180_000);

    it('gives the machine back when it has cleaned up, without a reboot', async () => {
      const { bootId } = stage.bed.machine(a);
      await backAgain(a);
      await stage.event({ kind: 'Node', name: a, reason: 'NodeReleased' });
      expect(stage.bed.machine(a).bootId).toBe(bootId);
      expect(stage.bed.machine(a).mountinfo()).not.toContain('globalmount');
    }, 240_000);

    it('leaves file system and journal whole', async () => {
      expect(await stage.violations(web)).toEqual([]);
      expect(await stage.damage(web)).toEqual([]);
    }, 180_000);
  });

  describe('where the array does not carry out what it is asked', () => {
    const guarded = labelled('guarded');
    const stock = unlabelled('stock');
    /** That which nobody has cut off yet: one that failed is left alone for five minutes. */
    let left: string = c;

    it('csi-failover moves nothing, says why, and goes on when the array does', async () => {
      // Cut off with the leader: that one can do nothing any more, and another leads.
      const leader = (): string | undefined => stage.installation.leaderNode();
      const cut = await eventually(leader, { what: 'a leader' });
      expect([b, c]).toContain(cut);
      left = cut === b ? c : b;
      const { podUid } = await stage.place(guarded, cut);
      await unpublishFails(guarded, true);
      stage.bed.machine(cut).hangApi();
      await stage.event({
        kind: 'Pod',
        name: 'guarded-0',
        reason: 'FailoverWaiting',
        withinMs: 60_000,
      });
      await sleep(20_000);
      expect((await stage.writersOf(guarded)).map((one) => one.podUid)).toEqual([podUid]);
      expect(leader()).not.toBe(cut);
      await unpublishFails(guarded, false);
      await stage.moves(guarded, cut, 90_000);
      await backAgain(cut);
      expect(await stage.violations(guarded)).toEqual([]);
      expect(await stage.damage(guarded)).toEqual([]);
      const what = 'moves nothing and says so, until the array does';
      record('the same, and the array does not revoke', 'ours', what);
    }, 400_000);

    it('stock Kubernetes and the documented taint have two machines write at once', async () => {
      const cut = left;
      await stage.place(stock, cut);
      await unpublishFails(stock, true);
      stage.bed.machine(cut).hangApi();
      await eventually(() => !stage.bed.isReady(cut), {
        what: `${cut} NotReady`,
        withinMs: 90_000,
      });
      // Node Shutdown: "Non-graceful node shutdown handling". The person believes it to be off.
      const taint = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
      await stage.bed.cluster.kubectl(['taint', 'node', cut, taint]);
      await stage.moves(stock, cut, 120_000);
      await eventually(async () => (await stage.violations(stock)).length > 0, {
        what: 'the old machine to write after the new one',
        withinMs: 20_000,
      });
      await stage.bed.cluster.kubectl(['taint', 'node', cut, `${taint}-`]);
      await unpublishFails(stock, false);
      stage.bed.machine(cut).healApi();
      await eventually(() => stage.bed.isReady(cut), { what: `${cut} back`, withinMs: 60_000 });
      const damage = await stage.damage(stock);
      expect(damage).not.toEqual([]);
      const what = `with the documented taint two machines write at once: ${damage.join('; ')}`;
      record('the same, and the array does not revoke', 'stock', what.replaceAll('\n', ' '));
    }, 500_000);
  });
});
