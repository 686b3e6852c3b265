import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { fencedTaint } from '../../src/shared/names.ts';
import { eventually } from '../machine/eventually.ts';
import { otherVolumes, volumeHandle } from '../machine/workload-objects.ts';
import { leftOvers } from '../scenarios/traces.ts';
import { exampleNames, namesFor } from './example.ts';
import { Installation } from './installation.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';

const machines = ['worker-a', 'worker-b', 'worker-c'] as const;
const names = namesFor('second');
const drivers = [exampleNames.driverName, names.driverName];
const web = labelled('web', { otherDrivers: [names.driverName] });
const volumes = [web, ...otherVolumes(web)];
/** Longer than everything takes that would come next, if it came. */
const longMs = 10_000;

describe('a pod with volumes of two drivers, an installation of ours for each', () => {
  let stage: RealStage;
  let second: Installation;
  /** Where the pod writes. */
  let home: string = machines[0];
  let off: ReturnType<RealStage['mark']>;

  onStage({
    name: 'two-drivers',
    options: { machines },
    plans: [web],
    begin: async (opened) => {
      stage = opened;
      second = await Installation.apply(stage.bed, { names });
      await stage.place(web, home);
    },
  });

  async function powerOff(): Promise<void> {
    off = stage.mark();
    await stage.bed.machine(home).powerOff();
  }

  /** It writes to both volumes, on the same machine. */
  async function moves(withinMs: number): Promise<void> {
    const from = home;
    ({ nodeId: home } = await stage.moves(web, from, withinMs));
    for (const volume of volumes) await stage.writesOn(volume, home, { since: Date.now() });
    const taints = stage.bed.watch.find('nodes', from)?.spec?.taints ?? [];
    const keys = taints.map(({ key }) => key);
    for (const driver of drivers) expect(keys).toContain(fencedTaint(driver));
  }

  async function isBack(machine: string): Promise<void> {
    await stage.bed.machine(machine).boot();
    const left = (): readonly string[] =>
      drivers.flatMap((driver) => leftOvers(stage.bed.watch, driver));
    await eventually(() => left().length === 0, {
      what: 'nothing of both to be left',
      withinMs: 120_000,
    });
    // Each of them has had one of its own.
    expect(stage.episodesSince(off)).toBe(2);
    await stage.installation.ready();
    await second.ready();
  }

  it('moves when both volumes are held, and the machine is given back for both', async () => {
    const from = home;
    await powerOff();
    await moves(90_000);
    await isBack(from);
  }, 300_000);

  it('is held while one of the installations is not there, and loses neither volume', async () => {
    await second.scale(0);
    const uid = stage.podOf(web)?.metadata.uid;
    await powerOff();
    const says = `foreign-volume: claim web-2 of driver ${names.driverName}`;
    const about = { kind: 'Pod', name: 'web-0', since: off.at, withinMs: 60_000 };
    await stage.event({ ...about, reason: 'FailoverWaiting', says });
    await sleep(longMs);
    expect(stage.podOf(web)).toMatchObject({ metadata: { uid }, status: { phase: 'Running' } });
    expect(stage.movesSince(off).filter((move) => /\bweb/.test(move))).toEqual([]);
    const published = await stage.bed.array.volumes();
    for (const handle of volumes.map(volumeHandle)) {
      const volume = published.find((one) => one.handle === handle);
      expect(volume).toMatchObject({ publishedNodes: [home] });
    }
  }, 180_000);

  it('moves when it is back', async () => {
    const from = home;
    await second.scale(2);
    await moves(150_000);
    await isBack(from);
  }, 400_000);

  it('after all that both file systems and journals are whole', async () => {
    expect(await stage.damage(web)).toEqual([]);
  }, 180_000);
});
