import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import { processesOf } from '../machine/process.ts';
import { claimName } from '../machine/workload-objects.ts';
import { defaultSettings, labelled, type Mark, Stage, unlabelled } from './stage.ts';

const web = labelled('StatefulSet', 'web');
const mysql = labelled('Deployment', 'mysql');
const neighbours = [
  unlabelled('StatefulSet', 'plain'),
  unlabelled('Deployment', 'plain-too'),
] as const;
/** The product's promise, on the clock of the array. */
const promiseMs = 20_000;

describe('a machine that loses its power, with default flags', () => {
  let stage: Stage;
  let off: Mark;
  let firstBootId: string | undefined;
  let replacements: readonly WriterSummary[];
  const podUids = new Map<string, string | undefined>();

  beforeAll(async () => {
    stage = await Stage.open('power-off', defaultSettings);
    await stage.place([web, mysql, ...neighbours], 'worker-a');
    for (const plan of [web, mysql, ...neighbours]) {
      podUids.set(plan.name, stage.podOf(plan)?.metadata.uid);
    }
    const machine = stage.bed.machine('worker-a');
    firstBootId = machine.bootId;
    off = stage.mark();
    await machine.powerOff();
    replacements = await stage.move([web, mysql], 'worker-a', 30_000);
  }, 90_000);
  afterAll(() => stage.close(), 20_000);

  it('has its labelled workloads write elsewhere within 20 s', () => {
    for (const { firstAcceptedAt = Number.POSITIVE_INFINITY, podUid, slot } of replacements) {
      expect([slot, firstAcceptedAt - off.at]).toEqual([slot, expect.any(Number)]);
      expect(firstAcceptedAt - off.at).toBeLessThanOrEqual(promiseMs);
      expect([...podUids.values()]).not.toContain(podUid);
    }
    expect(replacements).toHaveLength(2);
  });

  it('loses no acknowledged write, and no replaced pod writes again', async () => {
    const { violations, gaps } = await stage.bed.array.verdict();
    expect({ violations, gaps }).toEqual({ violations: [], gaps: [] });
  });

  it('tells the story on pods, claims and node', async () => {
    for (const plan of [web, mysql]) {
      const pod = { kind: 'Pod', says: 'worker-a' };
      const old = replacements.find(({ slot }) => slot.includes(plan.name))?.podUid;
      expect(old).toBeDefined();
      await stage.event({
        ...pod,
        name: stage.podOf(plan)?.metadata.name,
        reason: 'FailoverCompleted',
      });
      const claim = { kind: 'PersistentVolumeClaim', name: claimName(plan), says: 'worker-a' };
      await stage.event({ ...claim, reason: 'FailoverStarted' });
      await stage.event({ ...claim, reason: 'VolumeFenced' });
      await stage.event({ ...claim, reason: 'FailoverCompleted' });
    }
    const started = (await stage.events()).filter(
      ({ kind, reason }) => kind === 'Pod' && reason === 'FailoverStarted',
    );
    expect(new Set(started.map(({ uid }) => uid))).toEqual(
      new Set([podUids.get('web'), podUids.get('mysql')]),
    );
    const node = { kind: 'Node', name: 'worker-a' };
    await stage.event({ ...node, reason: 'NodeLost' });
    await stage.event({ ...node, reason: 'NodeFenced' });
  }, 30_000);

  it('keeps its unlabelled pods and their volumes, as stock Kubernetes does', async () => {
    for (const plan of neighbours) {
      expect(stage.podOf(plan)?.metadata.uid).toBe(podUids.get(plan.name));
      expect(await stage.machinesOf(plan)).toEqual(['worker-a']);
    }
    expect(stage.movesSince(off).filter((move) => move.includes('plain'))).toEqual([]);
    const about = (await stage.events()).filter(
      ({ name, from }) => name.includes('plain') && from.includes('csi-failover'),
    );
    expect(about).toEqual([]);
  });

  it('comes back with a new boot id, proves itself clean and is released', async () => {
    const machine = stage.bed.machine('worker-a');
    await machine.boot();
    expect(machine.bootId).not.toBe(firstBootId);
    const back = Date.now();
    await stage.released(60_000);
    const node = stage.bed.store.find('nodes', 'worker-a');
    expect(node?.status?.nodeInfo?.bootID).toBe(machine.bootId);
    await stage.event({ kind: 'Node', name: 'worker-a', reason: 'NodeReleased' });
    // Its own pods were only waiting for it.
    for (const plan of neighbours) await stage.writesOn(plan, 'worker-a', { since: back });
  }, 80_000);

  it('was one episode in which nothing forbidden was done', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(stage.episodes()).toHaveLength(1);
    expect(await stage.violations()).toEqual([]);
  });

  it('leaves no process behind', async () => {
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
