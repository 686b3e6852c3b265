/** What breaks by itself: machines, cables, the API, drivers, and the parts of our own. */
import { enabledLabel } from '../../src/shared/names.ts';
import type { Prng } from './prng.ts';
import type { SimMachine } from './sim-machine.ts';
import type { Instance, World } from './world.ts';

/** Does it, and tells what it did. */
export type Fault = (world: World, prng: Prng) => string;

const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** One on which something is at stake, more often than not. */
function machineOf(world: World, prng: Prng): SimMachine {
  const busy = world.machines.filter(({ name }) =>
    world.store
      .all('pods')
      .some(({ spec, metadata }) => spec.nodeName === name && isLabelled(metadata.labels)),
  );
  return prng.pick(busy.length > 0 && prng.chance(0.8) ? busy : world.machines);
}

function isLabelled(labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels?.[enabledLabel] !== undefined;
}

function instanceOf(world: World, prng: Prng): Instance {
  return prng.pick(world.instances);
}

export const machineTrouble: Readonly<Record<string, Fault>> = {
  'power-off': (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(20_000, 120_000);
    machine.powerOff(ms);
    return `${machine.name} loses power for ${s(ms)}`;
  },
  reboot: (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(1_000, 25_000);
    machine.powerOff(ms);
    return `${machine.name} reboots in ${s(ms)}`;
  },
  'zone-lost': (world, prng) => {
    const count = prng.between(2, world.machines.length);
    const lost = world.machines.slice(0, count);
    const ms = prng.between(10_000, 80_000);
    const together = prng.chance(0.5);
    for (const machine of lost) {
      const delayMs = together ? prng.between(0, 2_000) : prng.between(0, 20_000);
      world.timeline.later(delayMs, () => {
        world.network.cut(machine.party, 'api', ms);
        world.network.cut('api', machine.party, ms);
      });
    }
    return `${lost.map(({ name }) => name).join(', ')} are cut off for ${s(ms)}`;
  },
  freeze: (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(3_000, 90_000);
    machine.freeze(ms);
    return `${machine.name} freezes for ${s(ms)}`;
  },
  'kubelet-death': (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(5_000, 110_000);
    machine.killKubelet(ms);
    return `the kubelet of ${machine.name} is dead for ${s(ms)}`;
  },
  'storage-cut': (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(5_000, 100_000);
    machine.cutStorage(ms);
    return `${machine.name} does not reach its storage for ${s(ms)}`;
  },
  'storage-cut-for-all': (world, prng) => {
    const ms = prng.between(5_000, 100_000);
    for (const machine of world.machines) machine.cutStorage(ms);
    return `no machine reaches its storage for ${s(ms)}`;
  },
  'node-health-lie': (world, prng) => {
    const machine = machineOf(world, prng);
    const ms = prng.between(20_000, 100_000);
    const one = prng.chance(0.5) ? machine.machine.machine.published[0]?.handle : undefined;
    machine.lieAboutHealth((handle) => one === undefined || handle === one, ms);
    return `${machine.name} calls ${one ?? 'all volumes'} inaccessible for ${s(ms)}`;
  },
  'agent-death': (world, prng) => {
    const machine = machineOf(world, prng);
    const { plan } = instanceOf(world, prng);
    const ms = prng.between(1_000, 60_000);
    machine.killAgent(plan.name, ms);
    return `the agent of ${plan.name} on ${machine.name} is dead for ${s(ms)}`;
  },
  'agents-rolled-out': (world, prng) => {
    const { plan } = instanceOf(world, prng);
    const ms = prng.between(1_000, 20_000);
    for (const [i, machine] of world.machines.entries()) {
      world.timeline.later(i * ms, () => machine.rollAgent(plan.name, prng.between(500, 15_000)));
    }
    return `the agents of ${plan.name} are rolled out, one every ${s(ms)}`;
  },
  'agents-gone': (world, prng) => {
    const { plan } = instanceOf(world, prng);
    const ms = prng.between(5_000, 60_000);
    for (const machine of world.machines) machine.rollAgent(plan.name, ms);
    return `all agents of ${plan.name} are gone for ${s(ms)}`;
  },
  'driver-down-on-node': (world, prng) => {
    const machine = machineOf(world, prng);
    const { plan } = instanceOf(world, prng);
    const ms = prng.between(5_000, 110_000);
    machine.driverSays(plan.name, prng.chance(0.5) ? 'silent' : 'refused', ms);
    return `driver ${plan.name} does not answer on ${machine.name} for ${s(ms)}`;
  },
};

export const networkTrouble: Readonly<Record<string, Fault>> = {
  'machine-cut-off': (world, prng) => {
    const { party } = machineOf(world, prng);
    const ms = prng.between(3_000, 110_000);
    world.network.cut(party, 'api', ms);
    world.network.cut('api', party, ms);
    return `${party} and the API are cut off from each other for ${s(ms)}`;
  },
  'machine-mute': (world, prng) => {
    const { party } = machineOf(world, prng);
    const ms = prng.between(3_000, 90_000);
    world.network.cut(party, 'api', ms);
    return `nothing gets from ${party} to the API for ${s(ms)}`;
  },
  'machine-deaf': (world, prng) => {
    const { party } = machineOf(world, prng);
    const ms = prng.between(3_000, 90_000);
    world.network.cut('api', party, ms);
    return `nothing gets from the API to ${party} for ${s(ms)}`;
  },
  'machine-slow': (world, prng) => {
    const { party } = machineOf(world, prng);
    const options = { durationMs: prng.between(10_000, 90_000), extraMs: prng.between(500, 5_000) };
    world.network.slow(party, 'api', options);
    world.network.slow('api', party, options);
    return `the way of ${party} to the API takes up to ${s(options.extraMs)} more`;
  },
  'replica-cut-off': (world, prng) => {
    const { party } = prng.pick(world.replicas);
    const ms = prng.between(1_000, 45_000);
    world.network.cut(party, 'api', ms);
    world.network.cut('api', party, ms);
    return `${party} and the API are cut off from each other for ${s(ms)}`;
  },
  'replica-mute': (world, prng) => {
    const { party } = prng.pick(world.replicas);
    const ms = prng.between(1_000, 45_000);
    world.network.cut(party, 'api', ms);
    return `nothing gets from ${party} to the API for ${s(ms)}`;
  },
  'replica-deaf': (world, prng) => {
    const { party } = prng.pick(world.replicas);
    const ms = prng.between(1_000, 45_000);
    world.network.cut('api', party, ms);
    return `nothing gets from the API to ${party} for ${s(ms)}`;
  },
  'replica-slow': (world, prng) => {
    const { party } = prng.pick(world.replicas);
    const options = { durationMs: prng.between(10_000, 90_000), extraMs: prng.between(500, 8_000) };
    world.network.slow(party, 'api', options);
    world.network.slow('api', party, options);
    return `the way of ${party} to the API takes up to ${s(options.extraMs)} more`;
  },
};

export const replicaTrouble: Readonly<Record<string, Fault>> = {
  'replica-crash': (world, prng) => {
    const replica = prng.pick(world.replicas);
    const ms = prng.between(500, 30_000);
    replica.crash(ms);
    return `${replica.party} crashes and is back in ${s(ms)}`;
  },
  'leader-crash': (world, prng) => {
    const { replicas } = instanceOf(world, prng);
    const leader = replicas.find(({ isLeading }) => isLeading) ?? prng.pick(replicas);
    leader.crash(prng.between(500, 30_000));
    return `${leader.party} crashes while it leads`;
  },
  'replica-freeze': (world, prng) => {
    const replica = prng.pick(world.replicas);
    const ms = prng.between(1_000, 45_000);
    replica.freeze(ms);
    return `${replica.party} is stopped for ${s(ms)}`;
  },
  'leader-freeze': (world, prng) => {
    const { replicas } = instanceOf(world, prng);
    const leader = replicas.find(({ isLeading }) => isLeading) ?? prng.pick(replicas);
    const ms = prng.between(1_000, 45_000);
    leader.freeze(ms);
    return `${leader.party} is stopped for ${s(ms)} while it leads`;
  },
  'watch-stall': (world, prng) => {
    const replica = prng.pick(world.replicas);
    const ms = prng.between(1_000, 60_000);
    replica.stallWatch(world.now + ms);
    return `a watch of ${replica.party} brings nothing for ${s(ms)}`;
  },
  'watch-break': (world, prng) => {
    const replica = prng.pick(world.replicas);
    const ms = prng.between(200, 15_000);
    replica.breakWatch(world.now + ms);
    return `a watch of ${replica.party} is broken for ${s(ms)}`;
  },
  'watches-expire': (world) => {
    world.store.compact(world.store.resourceVersion);
    return 'the history of all objects is compacted';
  },
};

export const apiTrouble: Readonly<Record<string, Fault>> = {
  'api-down': (world, prng) => apiState(world, prng, 'refusing'),
  'no-quorum': (world, prng) => apiState(world, prng, 'without-quorum'),
  'lost-replies': (world, prng) => {
    world.api.losesReplies = 0.3;
    return apiUntil(world, prng, 'the API loses answers', () => {
      world.api.losesReplies = 0;
    });
  },
  'repeated-requests': (world, prng) => {
    world.api.repeats = 0.4;
    return apiUntil(world, prng, 'requests reach the API twice', () => {
      world.api.repeats = 0;
    });
  },
  throttled: (world, prng) => {
    world.api.throttles = 0.6;
    return apiUntil(world, prng, 'the API answers 429', () => {
      world.api.throttles = 0;
    });
  },
  'slow-api': (world, prng) => {
    const { dawdles } = world.plan;
    world.api.dawdles = 0.7;
    world.undo.push(() => {
      world.api.dawdles = dawdles;
    });
    return apiUntil(world, prng, 'the API is slow', () => {
      world.api.dawdles = dawdles;
    });
  },
  'conflict-storm': (world, prng) => {
    const ms = prng.between(5_000, 40_000);
    const end = world.now + ms;
    const touch = (): void => {
      if (world.now > end) return;
      touchSomething(world, prng);
      world.timeline.later(prng.between(50, 400), touch);
    };
    touch();
    return `somebody writes to all objects again and again for ${s(ms)}`;
  },
  'control-plane-restart': (world) => {
    world.controlPlane.restart();
    return 'another kube-controller-manager leads';
  },
};

function apiState(world: World, prng: Prng, state: 'refusing' | 'without-quorum'): string {
  world.api.state = state;
  return apiUntil(world, prng, `the API is ${state}`, () => {
    world.api.state = 'up';
  });
}

function apiUntil(world: World, prng: Prng, what: string, end: () => void): string {
  const ms = prng.between(2_000, 60_000);
  world.timeline.later(ms, end);
  return `${what} for ${s(ms)}`;
}

/** An annotation of nobody's concern, which makes every compare-and-swap lose. */
function touchSomething(world: World, prng: Prng): void {
  const resource = prng.pick(['nodes', 'volumeattachments', 'leases', 'pods'] as const);
  const objects = world.store.all(resource);
  if (objects.length === 0) return;
  const { name, namespace } = prng.pick<(typeof objects)[number]>(objects).metadata;
  const metadata = { annotations: { 'example.com/touched': String(world.now) } };
  world.store.patch(resource, { namespace, name }, { metadata });
}

export const driverTrouble: Readonly<Record<string, Fault>> = {
  'unpublish-fails': (world, prng) => driverUntil(world, prng, 'fails', 'fails', 0.9),
  'driver-loses-replies': (world, prng) =>
    driverUntil(world, prng, 'loses its answers', 'losesReplies', 0.6),
  'driver-late': (world, prng) =>
    driverUntil(
      world,
      prng,
      'works on when its client is gone',
      'extraMs',
      prng.between(8_000, 25_000),
    ),
  'driver-hangs': (world, prng) => {
    const array = world.array(instanceOf(world, prng).plan.name);
    const ms = prng.between(2_000, 60_000);
    array.hangs = true;
    world.timeline.later(ms, () => {
      array.hangs = false;
    });
    return `driver ${array.name} hangs for ${s(ms)}`;
  },
  'partial-lists': (world, prng) => {
    const array = world.array(instanceOf(world, prng).plan.name);
    const ms = prng.between(2_000, 60_000);
    array.listsPartly = true;
    world.timeline.later(ms, () => {
      array.listsPartly = false;
    });
    return `driver ${array.name} lists but some volumes for ${s(ms)}`;
  },
  'storage-health-lie': (world, prng) => {
    const array = world.array(instanceOf(world, prng).plan.name);
    const ms = prng.between(20_000, 100_000);
    const volumes = world.store.all('persistentvolumes');
    const one = prng.chance(0.5) ? prng.pick(volumes).spec.csi?.volumeHandle : undefined;
    const health = { status: 'Inaccessible', reason: 'Lie', message: '' } as const;
    array.lies({ about: (handle) => one === undefined || handle === one, health });
    world.timeline.later(ms, () => {
      array.lie = undefined;
    });
    return `driver ${array.name} calls ${one ?? 'all volumes'} inaccessible for ${s(ms)}`;
  },
  'management-out': (world, prng) => {
    const array = world.array(instanceOf(world, prng).plan.name);
    const ms = prng.between(5_000, 100_000);
    array.managementIsOut = true;
    world.timeline.later(ms, () => {
      array.managementIsOut = false;
    });
    return `driver ${array.name} tells no health for ${s(ms)}`;
  },
  'attacher-down': (world, prng) => {
    const ms = prng.between(2_000, 60_000);
    world.controlPlane.switch('attacher', false);
    const back = (): void => world.controlPlane.switch('attacher', true);
    world.timeline.later(ms, back);
    world.undo.push(back);
    return `no attacher runs for ${s(ms)}`;
  },
  'attacher-restart': (world) => {
    world.controlPlane.restart('attacher');
    return 'the attachers restart';
  },
};

function driverUntil(
  world: World,
  prng: Prng,
  what: string,
  field: 'fails' | 'losesReplies' | 'extraMs',
  value: number,
): string {
  const array = world.array(instanceOf(world, prng).plan.name);
  const ms = prng.between(2_000, 60_000);
  array[field] = value;
  world.timeline.later(ms, () => {
    array[field] = 0;
  });
  return `driver ${array.name} ${what} for ${s(ms)}`;
}
