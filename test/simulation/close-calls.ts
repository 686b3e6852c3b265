/**
 * One failure of one node, and one thing that happens in the very moment between a decision and the
 * first request that rests on it. What is read again right before, and what waits for a word of
 * somebody else, is there for such moments, and chance seldom finds them.
 */
import type { Action } from '../../src/controller-mode/actions.ts';
import {
  fenceAnnotation,
  fencedTaint,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
  outOfServiceTaint,
  policyAnnotation,
} from '../../src/shared/names.ts';
import { stormBound } from '../../src/controller-mode/policy.ts';
import { encodeFenceRecord, encodePodIntent } from '../../src/shared/record.ts';
import { type DriverPlan, lateDriver, listingDriver, plainDriver } from './drivers.ts';
import { recordOf } from './fence-records.ts';
import type { Replica } from './replica.ts';
import type { SimMachine } from './sim-machine.ts';
import type { VolumePlan, WorkloadPlan } from './workloads.ts';
import type { World } from './world.ts';

interface Moment {
  readonly world: World;
  readonly machine: SimMachine;
  readonly replica: Replica;
  readonly action: Action;
}

export interface CloseCall {
  readonly name: string;
  /** A pod with a volume of each runs on every node. */
  readonly drivers: readonly DriverPlan[];
  /** Runs, too, on the node that fails. */
  readonly besides?: WorkloadPlan;
  /** What befalls the node. */
  readonly failure: (machine: SimMachine, world: World) => void;
  readonly at: (action: Action, replica: Replica) => boolean;
  readonly happens: (moment: Moment) => void;
}

/** From the failure on; then all is healed. */
export const closeCallMs = 100_000;

const loses = (machine: SimMachine): void => machine.powerOff(45_000);

function isCutOff({ party }: SimMachine, { network }: World): void {
  network.cut(party, 'api', 40_000);
  network.cut('api', party, 40_000);
}

const shared: VolumePlan = { driver: plainDriver.name, claim: 'shared', shared: true };
const own: VolumePlan = { driver: plainDriver.name, claim: 'own', shared: false };
const stranger: VolumePlan = { driver: plainDriver.name, claim: 'strange', shared: false };

function onFirst(name: string, claim: VolumePlan, labelled: boolean): WorkloadPlan {
  const common = { replicas: 1, drivers: [], claim, labelled, movable: false } as const;
  return { ...common, kind: 'bare', name, podSpec: { nodeName: 'a' } };
}

export const closeCalls: readonly CloseCall[] = [
  {
    name: 'its kubelet renews while the intent is on its way',
    drivers: [plainDriver],
    failure: isCutOff,
    at: ({ kind }) => kind === 'BeginEpisode',
    happens: ({ world, machine }) => renewKubelet(world, machine),
  },
  {
    name: 'another one writes the record first',
    drivers: [listingDriver],
    failure: loses,
    at: ({ kind }) => kind === 'UpdateRecord',
    happens: ({ world, machine, replica }) => {
      const { driver } = replica.options.policy;
      const record = recordOf(world, driver, machine.name);
      if (record === undefined) return;
      const text = encodeFenceRecord({ ...record, pods: [...(record.pods ?? []), 'another'] });
      annotate(world, 'leases', heartbeatLease(driver, machine.name), { [fenceAnnotation]: text });
    },
  },
  {
    name: 'somebody takes the mark off a pod that is about to be evicted',
    drivers: [plainDriver],
    failure: isCutOff,
    at: ({ kind }) => kind === 'Evict',
    happens: ({ world, action, replica }) => {
      if (action.kind !== 'Evict') return;
      const key = intentAnnotation(replica.options.policy.driver);
      annotate(world, 'pods', action.pod.name, { [key]: null });
      replica.stallWatch(world.now + 5_000, 'pods');
    },
  },
  {
    name: 'somebody taints it again as its record is about to go',
    drivers: [plainDriver],
    failure: loses,
    at: ({ kind }) => kind === 'RemoveRecord',
    happens: ({ world, machine: { name }, replica }) => {
      const taint = {
        key: fencedTaint(replica.options.policy.driver),
        effect: 'NoSchedule',
      } as const;
      const taints = world.store.find('nodes', name)?.spec?.taints ?? [];
      world.store.patch('nodes', { name }, { spec: { taints: [...taints, taint] } });
    },
  },
  {
    name: 'somebody copies a mark as its record, the last one, is about to go',
    drivers: [plainDriver],
    failure: loses,
    at: ({ kind }) => kind === 'RemoveRecord',
    happens: ({ world, action, machine: { name: node }, replica }) => {
      const [pod] = world.store.all('pods').filter(({ spec }) => spec.nodeName !== node);
      if (action.kind !== 'RemoveRecord' || pod === undefined) return;
      const { uid, name } = pod.metadata;
      const text = encodePodIntent({ epoch: action.epoch, node, uid, volumes: [] });
      const key = intentAnnotation(replica.options.policy.driver);
      annotate(world, 'pods', name, { [key]: text });
      replica.stallWatch(world.now + 5_000, 'pods');
    },
  },
  {
    name: 'its record goes as it is about to be given back',
    drivers: [plainDriver],
    failure: isCutOff,
    at: (action) => action.kind === 'UpdateRecord' && action.record.phase === 'Released',
    happens: ({ world, machine, replica }) => {
      const lease = heartbeatLease(replica.options.policy.driver, machine.name);
      annotate(world, 'leases', lease, { [fenceAnnotation]: null });
      // What the agent says in the next moments is about the record that is gone.
      for (let ms = 500; ms < 5_000; ms += 300) {
        world.timeline.later(ms, () => renewKubelet(world, machine));
      }
    },
  },
  {
    name: 'somebody binds another pod to it as its own have moved',
    drivers: [plainDriver],
    besides: {
      ...onFirst('sharing', shared, true),
      kind: 'deployments',
      podSpec: {},
      movable: true,
    },
    failure: loses,
    at: (action) => action.kind === 'UpdateRecord' && action.record.phase === 'Moved',
    happens: ({ world, machine }) => {
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: shared.claim } }];
      const spec = { nodeName: machine.name, containers: [{ name: 'main' }], volumes };
      world.store.create('pods', { metadata: { name: 'guest', namespace: 'default' }, spec });
    },
  },
  {
    name: 'somebody deletes a pod of his own there by force',
    drivers: [plainDriver],
    besides: onFirst('stranger', stranger, false),
    failure: loses,
    at: ({ kind }) => kind === 'BeginEpisode',
    happens: ({ world }) => {
      const place = { namespace: 'default', name: 'stranger' };
      world.store.delete('pods', place, { gracePeriodSeconds: 0 });
    },
  },
  {
    name: 'attach/detach stops as it is to be hurried',
    drivers: [plainDriver],
    failure: loses,
    at: (action) => action.kind === 'SetTaint' && action.taint.key === outOfServiceTaint,
    happens: ({ world }) => {
      world.controlPlane.switch('attach-detach', false);
      const back = (): void => world.controlPlane.switch('attach-detach', true);
      world.timeline.later(40_000, back);
      world.undo.push(back);
    },
  },
  {
    name: 'the API lets nobody read its record for a while',
    drivers: [plainDriver],
    failure: loses,
    at: ({ kind }) => kind === 'SetTaint',
    happens: ({ world, machine, replica }) => {
      const lease = heartbeatLease(replica.options.policy.driver, machine.name);
      world.api.forbids = ({ verb, name }) => verb === 'get' && name === lease;
      world.timeline.later(14_000, () => {
        world.api.forbids = undefined;
      });
    },
  },
  {
    name: 'it is back when one of two drivers has taken its volumes away',
    drivers: [plainDriver, listingDriver],
    failure: isCutOff,
    at: ({ kind }, { options }) =>
      kind === 'MarkPod' && options.policy.driver === listingDriver.name,
    happens: ({ world }) => {
      const others = world.instances.filter(({ plan }) => plan.name === listingDriver.name);
      // It has just said that it is with it, and has not taken anything itself.
      world.timeline.later(500, () => {
        for (const { replicas } of others) for (const replica of replicas) replica.freeze(20_000);
      });
      world.timeline.later(4_000, () => world.network.heal());
    },
  },
  {
    name: 'the listing of the storage fails while it still lets the node in',
    drivers: [lateDriver],
    failure: isCutOff,
    at: ({ kind }) => kind === 'VerifyRevoked',
    happens: ({ world }) => {
      const array = world.array(lateDriver.name);
      array.refusesListings = true;
      world.timeline.later(8_000, () => {
        array.refusesListings = false;
      });
    },
  },
  {
    name: 'nobody can write for a while, and it comes back last',
    drivers: [plainDriver],
    failure: (machine, world) => {
      world.api.state = 'without-quorum';
      world.timeline.later(18_000, () => {
        world.api.state = 'up';
        machine.dawdle(9_000);
      });
    },
    at: () => false,
    happens: () => undefined,
  },
  {
    name: 'hardly anybody is heard for a while, and it comes back last',
    drivers: [plainDriver],
    failure: (machine, { machines, network }) => {
      const [, ...others] = machines.filter((one) => one !== machine);
      for (const { party } of others) {
        network.cut(party, 'api', 18_000);
        network.cut('api', party, 18_000);
      }
      // It has what all have, and a moment longer: nothing is wrong with it.
      machine.dawdle(18_000 + 9_000);
    },
    at: () => false,
    happens: () => undefined,
  },
  {
    name: 'somebody deletes its record, and lets one more pod go',
    drivers: [plainDriver],
    besides: { ...onFirst('late', own, true), annotations: { [policyAnnotation]: 'retain' } },
    failure: (machine, world) => {
      isCutOff(machine, world);
      const [kept] = machine.machine.machine.published.filter(
        ({ handle }) => !handle.includes('own'),
      );
      if (kept !== undefined) machine.keepMounted(kept.handle);
    },
    at: (action) => action.kind === 'UpdateRecord' && action.record.phase === 'Moved',
    happens: ({ world, machine, replica }) => {
      const lease = heartbeatLease(replica.options.policy.driver, machine.name);
      annotate(world, 'leases', lease, { [fenceAnnotation]: null });
      // From here on the node is tainted for nobody knows which volumes.
      world.timeline.later(3_000, () => {
        annotate(world, 'pods', 'late', { [policyAnnotation]: 'delete' });
      });
    },
  },
  {
    name: 'its kubelet renews before its record is seen, and as many as may move at once are gone',
    drivers: [plainDriver],
    failure: isCutOff,
    at: ({ kind }) => kind === 'BeginEpisode',
    happens: ({ world, machine, replica }) => {
      replica.stallWatch(world.now + 4_000, 'heartbeats');
      const bound = stormBound(replica.options.policy, world.machines.length);
      const others = world.machines.filter((one) => one !== machine).slice(0, bound);
      const { driver } = replica.options.policy;
      const isRecorded = (): boolean => recordOf(world, driver, machine.name) !== undefined;
      when(world, isRecorded, () => {
        renewKubelet(world, machine);
        for (const one of others) {
          loses(one);
          world.store.delete('nodes', { name: one.name });
        }
      });
    },
  },
  {
    name: 'somebody deletes the Lease of an agent whose kubelet hangs',
    drivers: [plainDriver],
    failure: (machine, { store, timeline }) => {
      machine.hangKubelet(80_000);
      const name = heartbeatLease(plainDriver.name, machine.name);
      // Long after Kubernetes has called the node Unknown.
      timeline.later(70_000, () => store.delete('leases', { namespace: 'default', name }));
    },
    at: () => false,
    happens: () => undefined,
  },
  {
    name: 'it goes by another id as its volume is being taken away',
    drivers: [plainDriver],
    failure: isCutOff,
    at: ({ kind }) => kind === 'Hold',
    happens: ({ world, machine, replica, action }) => {
      if (action.kind !== 'Hold') return;
      const { name } = action.attachment;
      replica.stallWatch(world.now + 5_000, 'csinodes');
      const isHeld = (): boolean =>
        world.store
          .find('volumeattachments', name)
          ?.metadata.finalizers?.includes(holdFinalizer) === true;
      when(world, isHeld, () => {
        const drivers = [{ name: plainDriver.name, nodeID: 'another' }];
        machine.changeNodeId(plainDriver.name, 'another');
        world.store.delete('csinodes', { name: machine.name });
        world.store.create('csinodes', { metadata: { name: machine.name }, spec: { drivers } });
      });
    },
  },
];

/** What runs in one of them. */
export function workloadsAround(
  { drivers, besides }: CloseCall,
  nodes: readonly string[],
): readonly WorkloadPlan[] {
  const names = drivers.map(({ name }) => name);
  const common = { kind: 'statefulsets', labelled: true, movable: true } as const;
  const everywhere = { ...common, name: 'everywhere', replicas: nodes.length, drivers: names };
  return besides === undefined ? [everywhere] : [besides, everywhere];
}

export function playCloseCall(world: World, call: CloseCall): void {
  const { besides } = call;
  const pod = world.store
    .all('pods')
    .find(({ metadata }) => metadata.labels?.app === besides?.name);
  const machine = world.machine((besides && pod?.spec.nodeName) ?? 'a');
  if (machine === undefined) return;
  let isOver = false;
  world.checkers.meanwhile = (replica, action) => {
    if (isOver || action.node !== machine.name || !call.at(action, replica)) return;
    isOver = true;
    world.trace(`** ${call.name}`);
    call.happens({ world, machine, replica, action });
  };
  world.trace(`** ${machine.name} fails`);
  call.failure(machine, world);
  world.run(closeCallMs);
}

function renewKubelet({ store }: World, { name }: SimMachine): void {
  const spec = { renewTime: store.microTimestamp() };
  store.patch('leases', { namespace: 'kube-node-lease', name }, { spec });
}

/** As soon as it is so in the world, whoever has seen it. */
function when(world: World, isSo: () => boolean, then: () => void): void {
  if (isSo()) then();
  else world.timeline.later(50, () => when(world, isSo, then));
}

function annotate(
  { store }: World,
  resource: 'pods' | 'leases',
  name: string,
  annotations: Readonly<Record<string, string | null>>,
): void {
  store.patch(resource, { namespace: 'default', name }, { metadata: { annotations } });
}
