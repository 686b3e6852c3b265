/** One hard failover in which each of the safety steps is needed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { enabledLabel } from '../../src/shared/names.ts';
import type { RequestRecord } from '../double/api-server.ts';
import type { MachineBed } from '../machine/bed.ts';
import type { Foundation } from '../machine/foundation.ts';
import { slotOfPlan, volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { BedStage } from '../scenarios/bed-stage.ts';
import { missedSteps } from './safety-checks.ts';

export interface OrdealOptions {
  readonly namespace: string;
  readonly machines: readonly string[];
  readonly requests?: () => readonly RequestRecord[];
}

export interface Ordeal {
  /** Sentences of the checkers; empty: nothing went wrong. */
  readonly offences: readonly string[];
  /** All that may move has moved, and the out-of-service taint is gone. */
  readonly finished: boolean;
}

/** How long the array refuses to take one of the volumes away. */
const refusalMs = 6_000;
/** After the first offence, so that those which follow from it are heard of, too. */
const aftermathMs = 8_000;
const patienceMs = 90_000;

/**
 * The machine loses the API and goes on writing. `db` moves at once; `web` only when the array gives
 * in, which at first refuses; `files` never, because a pod that asked for nothing shares its volume.
 */
export async function ordeal<F extends Foundation>(
  stage: BedStage<F, MachineBed<F>>,
  { namespace, machines, requests = () => [] }: OrdealOptions,
): Promise<Ordeal> {
  const { bed } = stage;
  const { driverName } = bed;
  const victim = machines[0] ?? '';
  const common = { namespace, driverName, nodes: machines } as const;
  const labels = { [enabledLabel]: 'true' };
  const db: WorkloadPlan = { ...common, kind: 'StatefulSet', name: 'db', labels };
  const web: WorkloadPlan = { ...common, kind: 'StatefulSet', name: 'web', labels };
  const shared = { ...common, kind: 'Deployment', accessMode: 'ReadWriteMany' } as const;
  const files: WorkloadPlan = { ...shared, name: 'files', labels };
  const neighbour: WorkloadPlan = { ...shared, name: 'neighbour', shares: files };
  await stage.place([db, web, files, neighbour], victim);
  await bed.array.setUnpublishMode({ kind: 'fail', code: 'UNAVAILABLE' }, volumeHandle(web));
  // Every clock of the controller has begun.
  await sleep(4_000);
  bed.machine(victim).cutApi();

  const offences = async (): Promise<readonly string[]> => {
    const { violations } = await bed.array.verdict();
    const missed = missedSteps({
      driver: driverName,
      changes: stage.changes(),
      requests: requests(),
      now: Date.now(),
    });
    const written = violations.map(({ entry }) => `${entry.slot} wrote after it was replaced`);
    return [...new Set([...stage.crimes(), ...missed, ...written])];
  };
  const hasMoved = async (plan: WorkloadPlan): Promise<boolean> => {
    const { writers } = await bed.array.verdict();
    const own = writers.filter(({ slot, accepted }) => slot === slotOfPlan(plan) && accepted > 0);
    return own.some(({ nodeId }) => nodeId !== victim);
  };

  const end = Date.now() + patienceMs;
  let refusesUntil = Number.POSITIVE_INFINITY;
  for (; Date.now() < end; await sleep(500)) {
    if ((await offences()).length > 0) {
      await sleep(aftermathMs);
      return { offences: await offences(), finished: false };
    }
    if (refusesUntil === Number.POSITIVE_INFINITY && (await hasMoved(db))) {
      refusesUntil = Date.now() + refusalMs;
    }
    if (Date.now() < refusesUntil) continue;
    await bed.array.setUnpublishMode({ kind: 'honest' }, volumeHandle(web));
    const tainted = stage.leftOvers().some((left) => left.includes('out-of-service'));
    if ((await hasMoved(web)) && !tainted) return { offences: await offences(), finished: true };
  }
  return { offences: await offences(), finished: false };
}
