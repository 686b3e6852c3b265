import type { Mutation } from '../mutation/mutated-tree.ts';

/** So many seeds are enough for a mistake that is easy to see. */
const easy = 150;
/** And for one that is not. */
export const hard = 1_000;

export interface Mutant extends Mutation {
  /** Within so many seeds, from the first one on, a checker must notice it. */
  readonly seeds: number;
  /** Where to look, if not at every seed: the first one, and how far the others are apart. */
  readonly first?: number;
  readonly step?: number;
}

/** Mistakes in one file of the controller's core, by name, anchor, and what stands there instead. */
export function inFile(
  file: string,
): (name: string, anchor: string, replacement: string) => Mutant {
  return (name, anchor, replacement) => {
    return { name, file: `src/controller-mode/${file}.ts`, anchor, replacement, seeds: hard };
  };
}

/** What falls into one moment is played at every twentieth seed (close-calls.ts). */
export function closeCall(mutant: Mutant): Mutant {
  return { ...mutant, first: 10, step: 20, seeds: 50 };
}

/** It is easy to see. */
export function simple(mutant: Mutant): Mutant {
  return { ...mutant, seeds: easy };
}

/** Nothing but the seed that found it shows it: so much must come together. */
export function atSeed(seed: number, mutant: Mutant): Mutant {
  return { ...mutant, first: seed, seeds: 1 };
}
