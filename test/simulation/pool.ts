/** Many seeds, on all processors. */
import { Worker } from 'node:worker_threads';
import type { Run } from './run.ts';

export interface Campaign {
  /** The first fresh seed, and how far the next ones are apart. */
  readonly from: number;
  readonly step: number;
  /** Run before the fresh ones, in any case. */
  readonly known: readonly number[];
  readonly seeds?: number;
  readonly seconds?: number;
  readonly firstOnly: boolean;
}

/** What a worker tells of one seed. */
export type Told = Pick<Run, 'seed' | 'violations' | 'episodes' | 'moves' | 'simulatedMs'> & {
  readonly kinds: readonly string[];
  /** Of processor time. */
  readonly tookMs: number;
};

export interface CampaignResult {
  readonly seeds: number;
  readonly failed: number;
  readonly episodes: number;
  readonly moves: number;
  readonly simulatedMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Of all processors together. */
  readonly busySeconds: number;
}

export async function runCampaign(
  campaign: Campaign,
  workers: number,
  onFailure: (told: Told) => void,
): Promise<CampaignResult> {
  const startedAt = performance.now();
  const faults = new Map<string, number>();
  const sum = { seeds: 0, failed: 0, episodes: 0, moves: 0, simulatedMs: 0, tookMs: 0 };
  const seeds = seedsOf(campaign, startedAt);
  let over = false;
  const take = (told: Told): void => {
    sum.seeds += 1;
    sum.episodes += told.episodes;
    sum.moves += told.moves;
    sum.simulatedMs += told.simulatedMs;
    sum.tookMs += told.tookMs;
    for (const kind of told.kinds) faults.set(kind, (faults.get(kind) ?? 0) + 1);
    if (told.violations.length === 0 || over) return;
    sum.failed += 1;
    onFailure(told);
    over ||= campaign.firstOnly;
  };
  const next = (): number | undefined => {
    const { value } = over ? { value: undefined } : seeds.next();
    return value ?? undefined;
  };
  await Promise.all(Array.from({ length: workers }, () => work(next, take)));
  const seconds = (performance.now() - startedAt) / 1000;
  return { ...sum, faults, seconds, busySeconds: sum.tookMs / 1000 };
}

function* seedsOf(campaign: Campaign, startedAt: number): Generator<number> {
  const { known, from, step, seeds, seconds } = campaign;
  yield* known;
  for (let seed = from; ; seed += step) {
    if (seeds !== undefined && seed >= from + seeds * step) return;
    if (seconds !== undefined && performance.now() - startedAt > seconds * 1000) return;
    yield seed;
  }
}

/** One worker, which gets one seed after the other. */
async function work(next: () => number | undefined, take: (told: Told) => void): Promise<void> {
  // A seed makes much that nobody needs for long: with more room less of it is copied about.
  const resourceLimits = { maxYoungGenerationSizeMb: 64 };
  const worker = new Worker(new URL('worker.ts', import.meta.url), { resourceLimits });
  try {
    for (let seed = next(); seed !== undefined; seed = next()) {
      const told = Promise.withResolvers<Told>();
      const onError = (error: unknown): void => told.reject(error as Error);
      worker.once('message', told.resolve);
      worker.once('error', onError);
      worker.postMessage(seed, []);
      take(await told.promise);
      worker.off('error', onError);
    }
  } finally {
    await worker.terminate();
  }
}
