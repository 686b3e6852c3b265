/** The leader dies before and after each request that changes something in an episode. */
import { runSeed } from './run.ts';

export function killLeaders(worlds: number): number {
  let [seed, found, runs, failed] = [0, 0, 0, 0];
  while (found < worlds) {
    // Those in which a machine dies and nothing else happens.
    seed += 20;
    const { moves, writes } = runSeed(seed);
    // A machine without pods of ours dies without an episode.
    if (moves === 0) continue;
    found += 1;
    const kills = Array.from({ length: writes }, (_, index) => index + 1).flatMap((write) => [
      { write, when: 'before' } as const,
      { write, when: 'after' } as const,
    ]);
    runs += kills.length;
    failed += kills.filter((killAt) => !survives(seed, killAt)).length;
  }
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed;
}

function survives(seed: number, killAt: { write: number; when: 'before' | 'after' }): boolean {
  const { violations } = runSeed(seed, { killAt });
  if (violations.length === 0) return true;
  console.log(`seed ${seed}, killed ${killAt.when} ${killAt.write}: ${violations.join('; ')}`);
  return false;
}
