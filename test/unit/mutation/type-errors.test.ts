import { expect, it } from '@jest/globals';
import type { Mutation } from '../../mutation/mutated-tree.ts';
import { typeErrorsOf } from '../../mutation/type-errors.ts';

const file = 'src/shared/workqueue.ts';

function inQueue(name: string, replacement: string): Mutation {
  return {
    name,
    file,
    anchor: 'function rankOf({ rank = 0 }: KeyedAction): number {',
    replacement,
  };
}

it('tells of each mutation alone what the compiler objects to', () => {
  const fine = inQueue('fine', 'function rankOf({ rank = 1 }: KeyedAction): number {');
  const wrong = inQueue('wrong', 'function rankOf({ rank = 0 }: KeyedAction): string {');
  const [ofFine, ofWrong, ofOther] = typeErrorsOf([
    fine,
    wrong,
    {
      name: 'another export',
      file,
      anchor: 'export function inFlight(queue: WorkQueue, scope?: string): number {',
      replacement: 'export function inFlight(queue: WorkQueue, scope: string): number {',
    },
  ]);
  expect(ofFine).toBe('');
  expect(ofWrong).toContain('not assignable');
  expect(ofOther).toContain('not assignable');
}, 60_000);
