import type { WriterSummary } from '../array/judge.ts';
import { eventually } from '../machine/eventually.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';

export interface Freshness {
  /** Wall time: an older write does not count. */
  readonly since?: number;
  readonly withinMs?: number;
}

/** Waits until the last accepted write of the plan is of one of these machines, and a fresh one. */
export async function writesOn(
  plan: WorkloadPlan,
  machine: string | readonly string[],
  lastWriter: () => Promise<WriterSummary | undefined>,
  { since = 0, withinMs = 15_000 }: Freshness,
): Promise<WriterSummary> {
  const wanted = [machine].flat();
  return await eventually(
    async () => {
      const last = await lastWriter();
      const fresh = (last?.lastAcceptedAt ?? 0) >= since;
      return last !== undefined && fresh && wanted.includes(last.nodeId) ? last : undefined;
    },
    { what: `${plan.name} to write on ${wanted.join(' or ')}`, withinMs, everyMs: 100 },
  );
}

/** A stage of any kind. */
interface Stage {
  readonly bed: { machine(name: string): { boot(): Promise<void> } };
  writesOn(plan: WorkloadPlan, machine: string, freshness: Freshness): Promise<WriterSummary>;
}

/** Boots the machine, waits until each of the plans writes there again, and says which pods do. */
export async function writeAgain(
  stage: Stage,
  machine: string,
  plans: readonly WorkloadPlan[],
  withinMs: number,
): Promise<readonly string[]> {
  const since = Date.now();
  await stage.bed.machine(machine).boot();
  const uids: string[] = [];
  for (const plan of plans) {
    uids.push((await stage.writesOn(plan, machine, { since, withinMs })).podUid);
  }
  return uids;
}
