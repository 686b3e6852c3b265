/** One lane of the drawing in the README: a machine loses its power, and what became of a pod. */
import { spansOf, type Lane, type Step } from '../demo/story.ts';
import type { JournalEntry } from '../array/judge.ts';
import { slotOfPlan, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { Phases } from './phases.ts';

/** A pod writes every 200 ms; what is longer than this is an outage. */
const pauseMs = 1_500;

export function laneOf(
  plan: WorkloadPlan,
  failedAt: number,
  journal: readonly JournalEntry[],
  words: Pick<Lane, 'title' | 'summary' | 'good' | 'steps'>,
): Lane {
  const writes = journal
    .filter(({ slot, accepted }) => accepted && slot === slotOfPlan(plan))
    .map(({ time, nodeId, podUid }) => ({ atMs: time - failedAt, machine: nodeId, pod: podUid }));
  return { ...words, workloads: [{ name: `${plan.name}-0`, spans: spansOf(writes, pauseMs) }] };
}

export function stepsOf({ detect, fence, attach, total }: Phases): readonly Step[] {
  return [
    { title: 'Lost', detail: 'the fence record stands on the heartbeat Lease', atMs: detect },
    {
      title: 'Fenced and evicted',
      detail: 'the storage refuses the old node; the old pod is gone',
      atMs: detect + fence,
    },
    {
      title: 'Attached',
      detail: 'the volume is attached to the node of the replacement',
      atMs: detect + fence + attach,
    },
    { title: 'Writes elsewhere', detail: 'acknowledged by the array', atMs: total },
  ];
}
