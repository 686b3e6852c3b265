import type { Effect, Performance, Reply } from '../shared/effect.ts';
import { type Outcome, failed } from '../shared/outcome.ts';

export interface World {
  readonly perform: (effect: Effect) => Promise<Reply>;
  /** Whether nobody else can lead now; asked right before everything that changes something. */
  readonly mayWrite: () => boolean;
}

/**
 * Runs an action over the world, one request after the other. Stops before the next write when
 * the lease is no longer certain: what was written until then is idempotent and stays.
 */
export async function perform(performance: Performance, world: World): Promise<Outcome> {
  let step = performance.next();
  while (step.done !== true) {
    if (isWrite(step.value) && !world.mayWrite()) {
      return failed('NOT_LEADER', 'the lease was not certain right before a write');
    }
    const reply = await world.perform(step.value);
    step = performance.next(reply);
  }
  return step.value;
}

export function isWrite(effect: Effect): boolean {
  return effect.target === 'kubernetes' && effect.verb !== 'get';
}
