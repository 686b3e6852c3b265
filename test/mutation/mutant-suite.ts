/** The ordeal with the product as it is, and with each of the mutants, on one kind of control plane. */
import { describe, expect, it } from '@jest/globals';
import type { MachineBed } from '../machine/bed.ts';
import type { Foundation } from '../machine/foundation.ts';
import { MutatedTree } from './mutated-tree.ts';
import type { Ordeal } from './ordeal.ts';
import { type SafetyMutant, safetyMutants } from './safety-mutants.ts';
import { typeErrorsOf } from './type-errors.ts';

export interface Tried extends Ordeal {
  /** Controllers of ours that still run at the end. */
  readonly alive: number;
}

export interface Attempt {
  /** Tells it from others: lower-case letters, digits and dashes. */
  readonly name: string;
  /** Default: the product as it is. */
  readonly bundle?: string;
}

export function mutantSuite(
  plane: SafetyMutant['plane'],
  attempt: (attempt: Attempt) => Promise<Tried>,
): void {
  describe(`a hard failover on the ${plane} control plane`, () => {
    it('goes well', async () => {
      const whole = await attempt({ name: `whole-${plane}` });
      expect(whole).toEqual({ offences: [], finished: true, alive: 2 });
    }, 240_000);

    const mutants = safetyMutants.filter((mutant) => mutant.plane === plane);
    it('is tried with mutants that typecheck', () => {
      expect(typeErrorsOf(mutants).join('')).toBe('');
    }, 60_000);

    it.each(mutants)(
      'is caught when it goes on with $name',
      async (mutant) => {
        using tree = new MutatedTree(mutant, ['build']);
        const name = `mutant-${safetyMutants.indexOf(mutant)}`;
        const { offences, alive } = await attempt({ name, bundle: tree.bundle() });
        expect(offences).toContainEqual(expect.stringMatching(mutant.caughtBy));
        // By a checker, not by a crash.
        expect(alive).toBe(2);
      },
      240_000,
    );
  });
}

export function aliveIn<F extends Foundation>(bed: MachineBed<F>): number {
  return bed.replicas.filter(({ processes }) => processes.get('controller')?.alive === true).length;
}
