import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { unavailableTaint } from '../../src/shared/names.ts';
import type { Told } from '../driver/faults.ts';
import { eventually } from '../machine/eventually.ts';
import { pvName, volumeHandle } from '../machine/workload-objects.ts';
import { isConfirmedHold } from '../scenarios/traces.ts';
import { driverName } from './installation.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage } from './real-stage.ts';

const [a, b, c] = ['worker-a', 'worker-b', 'worker-c'] as const;
const web = labelled('web');
const beside = labelled('beside');
const plans = [web, beside];
/** --unhealthy-after, what two calls to the driver may take, and what would come next. */
const unhealthyMs = 30_000 + 2 * 10_000 + 15_000;
/** DriverDown after 60 s. */
const driverDownMs = 60_000;

describe('a driver that does not answer', () => {
  let stage: RealStage;

  onStage({
    name: 'silent-driver',
    options: { machines: [a, b, c], dialect: 'condition' },
    plans,
    begin: async (opened) => {
      stage = opened;
      for (const plan of plans) await stage.place(plan, a);
    },
  });

  function uids(): readonly (string | undefined)[] {
    return plans.map((plan) => stage.podOf(plan)?.metadata.uid);
  }

  /** Which of our taints stand on the machine. */
  function taints(machine: string): readonly string[] {
    const all = stage.bed.watch.find('nodes', machine)?.spec?.taints ?? [];
    return all.map(({ key }) => key).filter((key) => key.includes('csi-failover'));
  }

  /** The driver's controllers, wherever they run. */
  function tellControllers(told: Told): void {
    for (const machine of stage.bed.machines) {
      if (machine.bootId !== undefined) machine.tellDriver(told);
    }
  }

  /** What became of the pods and of their volumes. */
  function movesSince(mark: ReturnType<RealStage['mark']>): readonly string[] {
    return stage.movesSince(mark).filter((move) => plans.some(({ name }) => move.includes(name)));
  }

  const noViews: Told = { faults: { ListVolumes: 'hang', ControllerGetVolume: 'hang' } };

  it('one volume that a node asks about in vain: nothing, where its pod reads and writes', async () => {
    const [mark, before] = [stage.mark(), uids()];
    stage.bed.machine(a).tellDriver({
      faults: { [`NodeGetVolumeStats ${volumeHandle(web)}`]: 'hang' },
    });
    await sleep(unhealthyMs);
    expect(stage.oursSince(mark)).toEqual([]);
    expect(uids()).toEqual(before);
    for (const plan of plans) await stage.writesOn(plan, a, { since: Date.now() });
    stage.bed.machine(a).tellDriver({});
  }, 180_000);

  it('on a node at all: new pods are kept away, and nothing moves', async () => {
    const [mark, before] = [stage.mark(), uids()];
    await stage.bed.machine(a).signal('driver', 'STOP');
    const about = { kind: 'Node', name: a, since: mark.at, withinMs: driverDownMs + 45_000 };
    await stage.event({ ...about, reason: 'NodeDriverDown' });
    await eventually(() => taints(a).includes(unavailableTaint(driverName)), {
      what: `${a} to be kept from new pods`,
    });
    expect(movesSince(mark)).toEqual([]);
    expect(uids()).toEqual(before);
    for (const plan of plans) await stage.writesOn(plan, a, { since: Date.now() });
  }, 240_000);

  it('and when that machine loses its power, its pods move', async () => {
    const mark = stage.mark();
    await stage.cordon([c], true);
    await stage.bed.machine(a).powerOff();
    // The only one that takes pods.
    for (const plan of plans) await stage.writesOn(plan, b, { withinMs: 60_000 });
    const about = { kind: 'Pod', since: mark.at, reason: 'FailoverCompleted' };
    for (const { name } of plans) await stage.event({ ...about, name: `${name}-0` });
    await stage.bed.machine(a).boot();
    await stage.released(120_000);
    await stage.installation.ready();
    expect(taints(a)).toEqual([]);
  }, 300_000);

  it('at the controller, while a node loses a volume: held, and the missing view is named', async () => {
    const [mark, before] = [stage.mark(), uids()];
    await stage.cordon([c], false);
    await stage.cordon([a], true);
    tellControllers(noViews);
    await stage.bed.array.setPath(b, 'cut', volumeHandle(web));
    await stage.event({
      kind: 'Pod',
      name: 'web-0',
      reason: 'FailoverHeld',
      says: "scope-unknown: the storage's own view is missing",
      since: mark.at,
      withinMs: 120_000,
    });
    await sleep(10_000);
    expect(movesSince(mark)).toEqual([]);
    expect(uids()).toEqual(before);
  }, 240_000);

  it('and when it answers again, its pod moves, and the one beside it stays', async () => {
    const [, uid] = uids();
    tellControllers({});
    await stage.writesOn(web, c, { withinMs: 90_000 });
    await stage.bed.array.setPath(b, 'ok', volumeHandle(web));
    await stage.released(120_000);
    await stage.cordon([a], false);
    await stage.writesOn(beside, b, { since: Date.now() });
    expect(uids()[1]).toBe(uid);
  }, 300_000);

  it('at the controller, while a machine has lost its power: fenced, and held until it answers', async () => {
    const mark = stage.mark();
    tellControllers(noViews);
    await stage.bed.machine(c).powerOff();
    await stage.event({
      kind: 'Pod',
      name: 'web-0',
      reason: 'FailoverWaiting',
      says: 'but its listing has not confirmed that yet',
      since: mark.at,
      withinMs: 90_000,
    });
    const [hold, ...others] = stage.bed.watch
      .all('volumeattachments')
      .filter(({ spec }) => spec.source.persistentVolumeName === pvName(web));
    expect(others).toEqual([]);
    expect(hold !== undefined && isConfirmedHold(hold)).toBe(true);
    // Longer than the deadline of a call to the driver.
    await sleep(20_000);
    expect(movesSince(mark).filter((move) => move.startsWith('pod'))).toEqual([]);
    tellControllers({});
    await stage.moves(web, c, 60_000);
    await stage.bed.machine(c).boot();
    await stage.released(120_000);
  }, 360_000);

  it('after all that file systems and journals are whole', async () => {
    for (const plan of plans) expect(await stage.damage(plan)).toEqual([]);
  }, 240_000);
});
