/**
 * What goes wrong, drawn from the seed, swarm style: each seed enables some kinds only, so that
 * rare combinations get a run of their own. Every fault has an end, or is ended by healing.
 */
import type { Prng } from './prng.ts';
import type { World } from './world.ts';

export type FaultKind =
  | 'power-off'
  | 'reboot'
  | 'freeze'
  | 'kubelet-death'
  | 'api-cut'
  | 'storage-cut'
  | 'agent-death'
  | 'controller-crash'
  | 'controller-freeze'
  | 'controller-cut'
  | 'lost-replies'
  | 'watch-stall'
  | 'watch-break'
  | 'unpublish-fails'
  | 'unpublish-hangs'
  | 'attacher-down'
  | 'pause'
  | 'node-deleted';

const kinds: Readonly<Record<FaultKind, (world: World, prng: Prng) => void>> = {
  'power-off': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`power-off ${machine.name}`);
    machine.powerOff();
    world.later(prng.between(20_000, 120_000), () => machine.boot());
  },
  reboot: (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`reboot ${machine.name}`);
    machine.powerOff();
    world.later(prng.between(1_000, 25_000), () => machine.boot());
  },
  freeze: (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`freeze ${machine.name}`);
    machine.freeze(true);
    world.later(prng.between(3_000, 90_000), () => machine.freeze(false));
  },
  'kubelet-death': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`kubelet-death ${machine.name}`);
    machine.killKubelet();
    world.later(prng.between(5_000, 100_000), () => machine.startKubelet());
  },
  'api-cut': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`api-cut ${machine.name}`);
    machine.cutApi(true);
    world.later(prng.between(3_000, 100_000), () => machine.cutApi(false));
  },
  'storage-cut': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`storage-cut ${machine.name}`);
    machine.cutStorage(true);
    world.later(prng.between(3_000, 60_000), () => machine.cutStorage(false));
  },
  'agent-death': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`agent-death ${machine.name}`);
    machine.killAgent(true);
    world.later(prng.between(1_000, 60_000), () => machine.killAgent(false));
  },
  'controller-crash': (world, prng) => {
    const replica = prng.pick(world.replicas);
    world.trace(`controller-crash ${replica.options.name}`);
    replica.crash(world.now, prng.between(500, 30_000));
  },
  'controller-freeze': (world, prng) => {
    const replica = prng.pick(world.replicas);
    world.trace(`controller-freeze ${replica.options.name}`);
    replica.freeze(world.now + prng.between(2_000, 40_000));
  },
  'controller-cut': (world, prng) => {
    const replica = prng.pick(world.replicas);
    world.trace(`controller-cut ${replica.options.name}`);
    replica.cutUntil = world.now + prng.between(1_000, 30_000);
    replica.breakWatch(replica.cutUntil);
  },
  'lost-replies': (world, prng) => {
    world.trace('lost-replies');
    for (const replica of world.replicas) replica.loseReplies = 0.2;
    world.later(prng.between(5_000, 60_000), () => {
      for (const replica of world.replicas) replica.loseReplies = 0;
    });
  },
  'watch-stall': (world, prng) => {
    world.trace('watch-stall');
    prng.pick(world.replicas).stallWatch(world.now + prng.between(1_000, 60_000));
  },
  'watch-break': (world, prng) => {
    world.trace('watch-break');
    prng.pick(world.replicas).breakWatch(world.now + prng.between(200, 15_000));
  },
  'unpublish-fails': (world, prng) => {
    world.trace('unpublish-fails');
    world.interfere({ error: 'rpc error: code = Internal' }, prng.between(2_000, 60_000));
  },
  'unpublish-hangs': (world, prng) => {
    world.trace('unpublish-hangs');
    world.interfere('pending', prng.between(2_000, 60_000));
  },
  'attacher-down': (world, prng) => {
    world.trace('attacher-down');
    world.cluster.controlPlane.switch('attacher', false);
    world.later(prng.between(2_000, 60_000), () =>
      world.cluster.controlPlane.switch('attacher', true),
    );
  },
  pause: (world, prng) => {
    world.trace('pause');
    world.pause(true);
    world.later(prng.between(2_000, 60_000), () => world.pause(false));
  },
  'node-deleted': (world, prng) => {
    const machine = prng.pick(world.machines);
    world.trace(`node-deleted ${machine.name}`);
    machine.powerOff();
    world.cluster.store.delete('nodes', { name: machine.name });
    world.later(prng.between(20_000, 90_000), () => machine.boot());
  },
};

export const allKinds = Object.keys(kinds) as FaultKind[];

/** Draws when what happens; `only` is for runs with one chosen fault. */
export function planFaults(world: World, prng: Prng, untilMs: number): void {
  const enabled = allKinds.filter(() => prng.chance(0.4));
  if (enabled.length === 0) return;
  const count = prng.between(1, 6);
  for (let i = 0; i < count; i += 1) {
    const kind = prng.pick(enabled);
    const fork = prng.fork();
    world.later(prng.between(12_000, untilMs), () => {
      world.count(kind);
      kinds[kind](world, fork);
    });
  }
}
