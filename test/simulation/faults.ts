/**
 * What goes wrong, drawn from the seed, swarm style: each seed enables some kinds only, so that
 * rare combinations get a run of their own. Every fault has an end, or is ended by healing.
 */
import { people } from './people.ts';
import { Prng } from './prng.ts';
import {
  apiTrouble,
  driverTrouble,
  type Fault,
  machineTrouble,
  networkTrouble,
  replicaTrouble,
} from './trouble.ts';
import type { World } from './world.ts';

const families: readonly Readonly<Record<string, Fault>>[] = [
  machineTrouble,
  networkTrouble,
  replicaTrouble,
  apiTrouble,
  driverTrouble,
  people,
];

const faults: ReadonlyMap<string, Fault> = new Map(
  families.flatMap((family) => Object.entries(family)),
);

export const allKinds: readonly string[] = [...faults.keys()];

/** Kinds that take a machine away from us: without one of them nothing has to be done. */
const losses: readonly string[] = [
  'power-off',
  'reboot',
  'freeze',
  'storage-cut',
  'kubelet-death',
  'machine-cut-off',
  'zone-lost',
  'machine-mute',
  'machine-deaf',
  'node-deleted',
];

/** Draws of its own, so that a fault that is left out changes no other one. */
export interface PlannedFault {
  readonly kind: string;
  readonly afterMs: number;
  readonly seed: number;
}

export function planFaults(prng: Prng, withinMs: number): readonly PlannedFault[] {
  const enabled = allKinds.filter(() => prng.chance(0.25));
  const loss = prng.pick(losses);
  const count = prng.between(1, 7);
  const planned: PlannedFault[] = [];
  const draw = (kind: string, low: number, high: number): void => {
    const seed = Math.floor(prng.next() * 2 ** 32);
    planned.push({ kind, afterMs: prng.between(low, high), seed });
  };
  if (prng.chance(0.9)) draw(loss, 0, withinMs / 3);
  for (let i = 0; i < count && enabled.length > 0; i += 1) draw(prng.pick(enabled), 0, withinMs);
  // Most of what is interesting happens around a loss: in the middle of its episode.
  const near = planned[0]?.afterMs ?? 0;
  for (let i = prng.between(0, 3); i > 0 && enabled.length > 0; i -= 1) {
    draw(prng.pick(enabled), near, near + 30_000);
  }
  return planned;
}

export function inject(world: World, planned: readonly PlannedFault[]): void {
  for (const { kind, afterMs, seed } of planned) {
    world.timeline.later(afterMs, () => {
      const fault = faults.get(kind);
      if (fault === undefined) throw new Error(`no such fault: ${kind}`);
      world.trace(`** ${kind}: ${fault(world, new Prng(seed))}`);
    });
  }
}
