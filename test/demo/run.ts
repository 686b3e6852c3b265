import type { JsonObject } from '../../src/shared/effect.ts';
import { fencedTaint } from '../../src/shared/names.ts';
import type { JournalEntry, Verdict } from '../array/judge.ts';
import type { RequestRecord } from '../double/api-server.ts';
import { type Bed, type Change, driverName } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import { slotOfPlan } from '../machine/workload-objects.ts';
import { doomed, labelled, unlabelled, workers } from './cast.ts';
import type { Progress } from './progress.ts';

/** Everything that a run left behind; what is told and judged afterwards comes from here alone. */
export interface DemoRecord {
  /** Wall-clock ms, as in all other records. */
  readonly beganAt: number;
  readonly powerOffAt: number;
  readonly powerOnAt: number;
  readonly endedAt: number;
  readonly changes: readonly Change[];
  readonly requests: readonly RequestRecord[];
  readonly journal: readonly JournalEntry[];
  readonly verdict: Verdict;
  /** Read back from the API. */
  readonly events: readonly JsonObject[];
  /** What was waited for in vain. */
  readonly disappointments: readonly string[];
}

/** How long the machine stays off: long enough to see that nothing frees the unlabelled volumes. */
const powerOnAfterMs = 30_000;
const recoveryWithinMs = 30_000;
/** Counted from power-off; release needs 30 s after the out-of-service taint went. */
const releaseWithinMs = 56_000;

/** The set-up: a healthy cluster, all six workloads on one machine. Rejects if it does not come up. */
export async function setTheStage(bed: Bed, progress: Progress): Promise<void> {
  progress.say('switching on three machines and two controller replicas');
  await bed.bootAll();
  const others = workers.filter((name) => name !== doomed);
  await bed.cordon(others, true);
  progress.say(`starting six workloads on ${doomed}, three of them labelled`);
  for (const plan of [...labelled, ...unlabelled]) await bed.addWorkload(plan);
  await eventually(() => everyoneWrites(bed), {
    what: `all six workloads to write on ${doomed}`,
    withinMs: 30_000,
    everyMs: 200,
  });
  await bed.cordon(others, false);
}

/** The story. Does not reject when something does not happen: the record tells. */
export async function play(bed: Bed, progress: Progress): Promise<DemoRecord> {
  const disappointments: string[] = [];
  const hope = async (what: string, withinMs: number, ask: () => Promise<boolean>) => {
    await eventually(ask, { what, withinMs: Math.max(0, withinMs), everyMs: 200 }).catch(() => {
      disappointments.push(what);
    });
  };
  const beganAt = Date.now();
  progress.say('all six workloads write');
  await pause(3_000);
  progress.zero();
  const powerOffAt = Date.now();
  progress.say(`SIGKILL: ${doomed} loses power`);
  await bed.machine(doomed).powerOff();
  const since = (): number => Date.now() - powerOffAt;
  await hope('the labelled workloads to write elsewhere', recoveryWithinMs, async () => {
    const back = await writersElsewhere(bed);
    progress.say(
      back === 0
        ? `${doomed} is off: nothing of it writes`
        : `${back} of ${labelled.length} labelled workloads write elsewhere`,
    );
    return back === labelled.length;
  });
  progress.say('the labelled workloads write; the unlabelled ones wait for their dead machine');
  await pause(powerOnAfterMs - since());
  const powerOnAt = Date.now();
  progress.say(`${doomed} is switched on again`);
  await bed.machine(doomed).boot();
  await hope(`${doomed} to be released`, releaseWithinMs - since(), async () => {
    const tainted = isTainted(bed);
    progress.say(tainted ? `${doomed} is back and has to prove that it is clean` : 'released');
    return Promise.resolve(!tainted);
  });
  await hope('the unlabelled workloads to write again', 3_000, () =>
    everyoneWrites(bed, powerOnAt),
  );
  const { journal, verdict } = {
    journal: await bed.array.journal(),
    verdict: await bed.array.verdict(),
  };
  return {
    beganAt,
    powerOffAt,
    powerOnAt,
    endedAt: Date.now(),
    changes: bed.changes,
    requests: bed.server.requests,
    journal,
    verdict,
    events: (await bed.api.list('events')) ?? [],
    disappointments,
  };
}

/** Whether all six have had a write accepted after that moment. */
async function everyoneWrites(bed: Bed, after = 0): Promise<boolean> {
  const { writers } = await bed.array.verdict();
  return [...labelled, ...unlabelled].every((plan) =>
    writers.some((one) => one.slot === slotOfPlan(plan) && (one.lastAcceptedAt ?? 0) > after),
  );
}

/** How many of the labelled workloads wrote on another machine than the doomed one. */
async function writersElsewhere(bed: Bed): Promise<number> {
  const { writers } = await bed.array.verdict();
  return labelled.filter((plan) =>
    writers.some(
      (one) => one.slot === slotOfPlan(plan) && one.nodeId !== doomed && one.accepted > 0,
    ),
  ).length;
}

function isTainted(bed: Bed): boolean {
  const taints = bed.store.find('nodes', doomed)?.spec?.taints ?? [];
  return taints.some(({ key }) => key === fencedTaint(driverName));
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
