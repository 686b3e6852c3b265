import type { Instant } from '../shared/clock.ts';
import { storageCondition } from '../shared/names.ts';
import { type NodeCondition, action } from './actions.ts';
import { countDown, isDown, isStill } from './availability.ts';
import type { Hold } from './hold.ts';
import { stormBound } from './policy.ts';
import type { State } from './state.ts';
import type { Verdict } from './verdict.ts';
import type { Wanted } from './wanted.ts';

/**
 * With --node-condition: whether a node can use the driver's volumes, as a condition of the Node
 * that others can select on (Node Health Check, node-readiness-controller). Written when it
 * changes. In a storm nobody is told that a node is bad: whoever reads it may reset the machine.
 */
export function writeConditions(
  state: State,
  verdicts: ReadonlyMap<string, Verdict>,
  { now, storm }: { readonly now: Instant; readonly storm: Hold | undefined },
  wanted: Wanted,
): void {
  if (!state.policy.nodeCondition) return;
  const type = storageCondition(state.policy.driver);
  const bound = stormBound(state.policy, verdicts.size);
  const tooMany = storm !== undefined || countDown(verdicts) > bound;
  for (const [name, verdict] of verdicts) {
    const node = state.nodes.get(name);
    const condition = conditionOf(state, verdict, now, wanted);
    if (node === undefined || condition === undefined || isStill(state, node)) continue;
    if (tooMany && condition.status !== 'True') continue;
    const { status, reason } = condition;
    if (node.conditions?.[type] === `${status} ${reason}`) continue;
    wanted.actions.push(
      action('SetCondition', `${status}/${reason}`, {
        node: name,
        nodeUid: node.uid,
        condition: { type, ...condition },
      }),
    );
  }
}

/** Undefined: it stays as it is, for nobody knows enough yet. */
function conditionOf(
  { policy }: State,
  verdict: Verdict,
  now: Instant,
  wanted: Wanted,
): Omit<NodeCondition, 'type'> | undefined {
  const { kind, reason, since } = verdict;
  const why = `verdict ${kind} (${reason})`;
  if (isDown(verdict)) {
    return { status: 'False', reason: kind, message: `Its volumes cannot be used here: ${why}.` };
  }
  switch (kind) {
    case 'Alive':
      if (reason !== 'heartbeat') return undefined;
      return { status: 'True', reason: 'StorageUsable', message: 'No trouble is reported.' };
    case 'AgentDown': {
      // An agent that is only late, or rolled out anew, is not worth a write.
      const tellAt = since + 3 * policy.lostAfterMs;
      if (now >= tellAt) break;
      wanted.wakeAt.push(tellAt);
      return undefined;
    }
    case 'Lost':
    case 'KubeletDead':
      break;
    case 'Suspect':
    case 'StorageLost':
    case 'DriverDown':
    case 'Gone':
    case 'Unknown':
      return undefined;
  }
  return { status: 'Unknown', reason: kind, message: `Nobody there can tell: ${why}.` };
}
