import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { editsOf, type Mutation } from '../../mutation/mutated-tree.ts';
import { safetyMutants } from '../../mutation/safety-mutants.ts';
import { mutants } from '../../simulation/mutant-list.ts';

const root = join(import.meta.dirname, '..', '..', '..');

/** Who moves a line to another file moves the mistake with it; the hunt itself comes late. */
describe('the anchor of a deliberate mistake', () => {
  const all: readonly Mutation[] = [...mutants, ...safetyMutants];

  it.each(all)('occurs exactly once: $name', (mutation) => {
    for (const { file, anchor } of editsOf(mutation)) {
      const occurrences = readFileSync(join(root, file), 'utf8').split(anchor).length - 1;
      expect({ file, occurrences }).toEqual({ file, occurrences: 1 });
    }
  });
});
