/** The CSI drivers that a world may have, and what our instance beside each was told about it. */
import type { FencePolicy } from '../../src/controller-mode/policy.ts';
import type { Prng } from './prng.ts';
import type { ArrayKind } from './sim-array.ts';

export interface DriverPlan {
  readonly name: string;
  readonly array: ArrayKind;
  /** An instance of ours runs beside it. */
  readonly managed: boolean;
  readonly fence: FencePolicy;
  readonly attachRequired: boolean;
}

const quick = { lowMs: 0, highMs: 150 };
const honest: ArrayKind = {
  revokes: true,
  lists: false,
  health: 'get',
  revokesLateMs: 0,
  latency: quick,
};
const unpublish: FencePolicy = { kind: 'unpublish', claim: 'The array lets published nodes in.' };

function fencing(name: string, array: ArrayKind): DriverPlan {
  return { name, array, managed: true, fence: unpublish, attachRequired: true };
}

export const plainDriver = fencing('plain.csi.test', honest);
export const listingDriver = fencing('listing.csi.test', {
  ...honest,
  lists: true,
  health: 'list',
});
/** Confirms at once and takes its time: only its listing tells the truth. */
export const lateDriver = fencing('late.csi.test', {
  ...honest,
  lists: true,
  health: 'none',
  revokesLateMs: 8_000,
});
const slowDriver = fencing('slow.csi.test', {
  ...honest,
  latency: { lowMs: 500, highMs: 9_000 },
});
/** Its unpublish takes nothing away, and our instance was told so. */
export const openDriver: DriverPlan = {
  name: 'open.csi.test',
  array: { ...honest, revokes: false },
  managed: true,
  fence: { kind: 'unfenceable', why: 'its unpublish takes nothing away' },
  attachRequired: true,
};
/** Nothing is attached, and somebody declared the fence that needs it. */
export const detachedDriver: DriverPlan = {
  name: 'shared.csi.test',
  array: { ...honest, revokes: false },
  managed: true,
  fence: unpublish,
  attachRequired: false,
};
/** Nobody has installed us beside it. */
export const strangeDriver: DriverPlan = {
  ...plainDriver,
  name: 'strange.csi.test',
  array: { ...honest, revokes: false },
  managed: false,
};

export function planDrivers(prng: Prng): readonly DriverPlan[] {
  const fenced = [plainDriver, plainDriver, listingDriver, lateDriver, slowDriver];
  const first = prng.pick(fenced);
  if (prng.chance(0.65)) return [first];
  const others = [plainDriver, listingDriver, openDriver, detachedDriver, strangeDriver];
  const second = prng.pick(others.filter(({ name }) => name !== first.name));
  return [first, second];
}

/** Whether a pod with volumes of these drivers may be moved at all. */
export function areFenced(drivers: readonly DriverPlan[]): boolean {
  return drivers.every(
    ({ managed, fence, attachRequired }) => managed && fence.kind === 'unpublish' && attachRequired,
  );
}
