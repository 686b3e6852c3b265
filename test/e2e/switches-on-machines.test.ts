/** Two switches for people, by the commands of the README, where something waits for them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { AdminShell, commandOf } from './readme-switches.ts';
import { ClusterStage, fastSettings, labelled, type Mark, sceneOf } from './stage.ts';

const scene = sceneOf('switched', 4);
const [a = '', b = '', haven = ''] = scene.machines;
/** Default --max-lost-nodes of four is one. */
const plans = [
  labelled(scene, 'StatefulSet', 'web', { nodes: [a, haven] }),
  labelled(scene, 'Deployment', 'mysql', { nodes: [b, haven] }),
];
/** Longer than everything takes that would come next, if it came. */
const longMs = 5_000;

describe('switches that something waits for', () => {
  let stage: ClusterStage;
  let shell: AdminShell;
  let off: Mark;

  beforeAll(async () => {
    stage = await ClusterStage.open(scene, fastSettings());
    shell = await AdminShell.open(stage.cluster);
    await stage.seat(plans);
    await sleep(2_000);
  }, 240_000);
  afterAll(async () => {
    shell?.[Symbol.dispose]();
    await stage?.close();
  }, 60_000);

  /** As it stands in the README, with our names. */
  async function say(start: string, names: readonly (readonly [string, string])[] = []) {
    const driver = ['-n my-driver', `-n ${scene.namespace}-driver`] as const;
    let command = commandOf(start);
    for (const [theirs, ours] of [driver, ...names]) command = command.replaceAll(theirs, ours);
    await shell.run(command);
  }

  async function release(node: string, epoch: string): Promise<void> {
    const names = [
      ['worker-2', node],
      ['48213', epoch],
    ] as const;
    await say('annotate node worker-2 csi-failover.io/release=', names);
  }

  function epochOf(node: string): string {
    const own = stage.episodes().filter(({ lease }) => lease.endsWith(`.${node}`));
    return own.at(-1)?.record.epoch ?? '';
  }

  function isFenced(node: string): boolean {
    return stage.taints(node).includes(fencedTaint(scene.driverName));
  }

  it('two of four machines are lost: a storm, and nothing moves', async () => {
    off = stage.mark();
    await Promise.all([a, b].map((name) => stage.bed.machine(name).powerOff()));
    for (const plan of plans) {
      const name = stage.podOf(plan)?.metadata.name;
      const asked = { kind: 'Pod', name, reason: 'FailoverHeld', says: 'storm: 2 of 4 nodes' };
      await stage.event({ ...asked, withinMs: 30_000 });
    }
    await sleep(longMs);
    expect(stage.touchesSince(off)).toEqual([]);
  }, 60_000);

  it('the storm is overridden: both pods move', async () => {
    await say('create configmap csi-failover -n my-driver --from-literal=storm-override');
    await Promise.all([stage.move(plans.slice(0, 1), a, 40_000), stage.move(plans.slice(1), b)]);
    for (const name of [a, b]) expect(isFenced(name)).toBe(true);
    await say('delete configmap csi-failover');
  }, 60_000);

  it('nobody gives a machine back that is off, and people read how they can', async () => {
    for (const name of [a, b]) {
      const says = `A person can end it with annotation csi-failover.io/release=${epochOf(name)}.`;
      const asked = { kind: 'Node', name, reason: 'NodeKeptFenced', says: `not-back` };
      const { message } = await stage.event({ ...asked, withinMs: 60_000 });
      expect(message).toContain(says);
    }
    await release(b, `${Number(epochOf(b)) - 1}`);
    await sleep(longMs);
    for (const name of [a, b]) expect(isFenced(name)).toBe(true);
  }, 90_000);

  it('release of its epoch gives one back, and only that one', async () => {
    await release(a, epochOf(a));
    await stage.releasedOf([a], 20_000);
    await stage.event({ kind: 'Node', name: a, reason: 'NodeReleased' });
    await sleep(longMs);
    expect(stage.leftOn([a])).toEqual([]);
    expect(isFenced(b)).toBe(true);
  }, 60_000);

  it('what was given back takes pods again, and the other proves it by itself', async () => {
    await Promise.all([a, b].map((name) => stage.bed.machine(name).boot()));
    await stage.releasedOf([b], 90_000);
    const since = Date.now();
    for (const plan of plans) await stage.writesOn(plan, haven, { since });
    const again = labelled(scene, 'StatefulSet', 'again', { nodes: [a] });
    await stage.bed.addWorkload(again);
    await stage.writesOn(again, a, { withinMs: 60_000 });
  }, 180_000);

  it('no replaced pod ever wrote again, and nothing forbidden was done', async () => {
    expect(await stage.violations()).toEqual([]);
    expect(stage.crimes()).toEqual([]);
  });
});
