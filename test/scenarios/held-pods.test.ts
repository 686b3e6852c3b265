import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policyAnnotation } from '../../src/shared/names.ts';
import { processesOf } from '../machine/process.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { fence, labelled, type Mark, shortSettings, Stage, unlabelled } from './stage.ts';

const free = labelled('StatefulSet', 'free');
/** Cordons cannot place it; where no pods are yet, it is put on the first machine. */
const tolerant = labelled('StatefulSet', 'tolerant', { tolerations: [{ operator: 'Exists' }] });
const shared = labelled('Deployment', 'shared', { accessMode: 'ReadWriteMany' });
/** Several pods of one node may use a ReadWriteOnce volume. */
const sharedHere = labelled('Deployment', 'shared-here');
const daemon = labelled('DaemonSet', 'daemon');
/** Each with the reason for which it must stay, first word first, as people read it. */
const held: readonly (readonly [WorkloadPlan, string])[] = [
  [tolerant, 'not-movable: it tolerates'],
  [labelled('Deployment', 'kept', { annotations: { [policyAnnotation]: 'retain' } }), 'retain: '],
  [shared, 'shared-volume: '],
  [sharedHere, 'shared-volume: '],
  [daemon, 'not-movable: it belongs to a DaemonSet'],
  [labelled('Pod', 'bare'), 'not-movable: nothing would create it again'],
];
const others = [
  unlabelled('Deployment', 'sharer', { shares: shared }),
  unlabelled('Deployment', 'sharer-here', { shares: sharedHere }),
  unlabelled('Pod', 'plain'),
];

/** What the DaemonSet's controller, which is not modelled, does for one node. */
async function addDaemon({ bed }: Stage, plan: WorkloadPlan, nodeName: string): Promise<void> {
  await bed.addWorkload(plan);
  const { namespace, name } = plan;
  const owner = (await bed.api.get('daemonsets', { namespace, name })).object;
  const { metadata, spec } = owner?.spec.template ?? {};
  const { uid } = owner?.metadata ?? {};
  const ownerReferences = [
    { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true },
  ];
  const answer = await bed.api.create('pods', {
    metadata: { ...metadata, namespace, name: `${name}-x`, ownerReferences },
    spec: { ...spec, nodeName },
  });
  if (answer.object === undefined) throw new Error(`pod of ${name}: ${answer.message}`);
}

describe('pods that must not move, on a machine that dies', () => {
  let stage: Stage;
  let off: Mark;

  beforeAll(async () => {
    stage = await Stage.open('held-pods', shortSettings(fence));
    await stage.place([tolerant], 'worker-a');
    await addDaemon(stage, daemon, 'worker-a');
    await stage.writesOn(daemon, 'worker-a', { withinMs: 30_000 });
    const rest = held.map(([plan]) => plan).filter((plan) => plan !== tolerant && plan !== daemon);
    await stage.place([...rest, free, ...others], 'worker-a');
    await stage.say({ paused: 'true' });
    off = stage.mark();
    await stage.bed.machine('worker-a').powerOff();
  }, 60_000);
  afterAll(() => stage.close(), 20_000);

  function heldEvent(plan: WorkloadPlan, says: string) {
    const name = stage.podOf(plan)?.metadata.name;
    return stage.event({ kind: 'Pod', name, reason: 'FailoverHeld', says });
  }

  it('stay while a person says pause, each labelled one with an Event', async () => {
    for (const plan of [free, ...held.map(([one]) => one)]) await heldEvent(plan, 'paused: ');
    await sleep(3_000);
    expect(stage.touchesSince(off)).toEqual([]);
  }, 30_000);

  it('move when the pause ends, if nothing else holds them', async () => {
    await stage.say({ paused: 'false' });
    await stage.move([free], 'worker-a');
    expect(await stage.violations()).toEqual([]);
  }, 30_000);

  it.each(held.map(([plan, says]) => ({ name: plan.name, plan, says })))(
    'stay for a reason of their own: $name, $says',
    async ({ plan, says }) => {
      await heldEvent(plan, says);
      expect(await stage.machinesOf(plan)).toEqual(['worker-a']);
    },
    20_000,
  );

  it('were not touched, nor were their volumes, nor unlabelled pods', async () => {
    await sleep(2_000);
    const moved = stage.movesSince(off);
    expect(moved.filter((move) => !move.includes('free'))).toEqual([]);
    const [episode] = stage.episodes();
    expect(episode?.record.volumes.map(({ pv }) => pv)).toEqual(['pv-shop-free']);
    const told = (await stage.events()).filter(({ from }) => from.includes('csi-failover'));
    const names = told.map(({ name }) => name);
    expect(names.filter((name) => name.includes('plain') || name.includes('sharer'))).toEqual([]);
  });

  it('leaves no process behind', async () => {
    expect(stage.crimes()).toEqual([]);
    expect(processesOf(await stage.close())).toEqual([]);
  }, 20_000);
});
