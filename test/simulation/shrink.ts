/** The fewest faults with which a failing run still fails in the same way. */
import type { PlannedFault } from './faults.ts';
import { type Run, runSeed } from './run.ts';

/** Leaves one fault out after the other, as long as the same safety or liveness rule is broken. */
export function shrink({ seed, faults, violations }: Run): {
  readonly faults: readonly PlannedFault[];
  readonly violations: readonly string[];
} {
  const rule = ruleOf(violations);
  let fewest = { faults, violations };
  for (let i = fewest.faults.length - 1; i >= 0; i -= 1) {
    const fewer = fewest.faults.filter((_fault, index) => index !== i);
    const run = runSeed(seed, { faults: fewer });
    if (ruleOf(run.violations) === rule) fewest = { faults: fewer, violations: run.violations };
  }
  return fewest;
}

/** `S1`, `L2`, ... */
function ruleOf([first]: readonly string[]): string | undefined {
  return first?.split(' ')[0];
}
