/** S9: what is begun too early, by a replica that knows that it does not know enough. */
import type { Action } from '../../src/controller-mode/actions.ts';
import type { Replica } from './replica.ts';
import type { World } from './world.ts';

export function hastyBeginnings(
  { now, checkers }: World,
  { options, clock, deafTo }: Replica,
  action: Action,
): readonly string[] {
  const found: string[] = [];
  // The out-of-service taint must not outlive the reason why it was set, whoever sees what.
  if (deafTo !== undefined && action.kind !== 'ClearTaint') {
    found.push(`S9 ${action.kind} ${action.node} was begun, and nothing comes of ${deafTo}`);
  }
  const ends = action.kind === 'UpdateRecord' && action.record.phase === 'Released';
  const { driver, timeoutMs } = options.policy;
  const { holder, since } = checkers.leases.leader(driver);
  const waitedMs = now - since;
  // A call of who led before may take effect so long after it was sent.
  const waitMs = timeoutMs / Math.max(1, clock.rate);
  if (ends && holder.startsWith(`${options.name}-`) && waitedMs < waitMs - 200) {
    found.push(`S9 gave ${action.node} back ${waitedMs} ms after another one had led`);
  }
  return found;
}
