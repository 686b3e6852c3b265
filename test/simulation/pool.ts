/** Many seeds, on all processors. */
import { Worker } from 'node:worker_threads';
import type { Reach } from './coverage.ts';
import { Meter, type Speed } from './meter.ts';
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
  /** Of so many seeds, the first, it is also told which parts of the core they do not reach. */
  readonly covered: number;
}

/** What a worker is asked for: to run a seed, or to tell what all of its seeds have reached. */
export type Order = number | 'reach';

/** What a worker tells of one seed. */
export type Told = Pick<Run, 'seed' | 'violations' | 'episodes' | 'moves' | 'simulatedMs'> & {
  readonly kinds: readonly string[];
};

export interface CampaignResult extends Speed {
  readonly seeds: number;
  readonly failed: number;
  readonly episodes: number;
  readonly moves: number;
  readonly simulatedMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Undefined: nobody has asked for it. */
  readonly reach: Reach | undefined;
}

/** So many seeds of each worker are not warm yet. */
const coldSeeds = 50;

export async function runCampaign(
  campaign: Campaign,
  workers: number,
  onFailure: (told: Told) => void,
): Promise<CampaignResult> {
  const startedAt = performance.now();
  const faults = new Map<string, number>();
  const sum = { seeds: 0, failed: 0, episodes: 0, moves: 0, simulatedMs: 0 };
  const meter = new Meter(campaign.covered + workers * coldSeeds);
  const seeds = seedsOf(campaign, startedAt);
  let over = false;
  const take = (told: Told): void => {
    sum.seeds += 1;
    sum.episodes += told.episodes;
    sum.moves += told.moves;
    sum.simulatedMs += told.simulatedMs;
    meter.count();
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
  // Taken at once, so that they are the same ones however many workers there are.
  const first = Array.from({ length: campaign.covered }, next);
  let reach: Reach | undefined;
  const works = Array.from({ length: workers }, async (_, index) => {
    if (index === 0 && first.length > 0) {
      const nextOfFirst = (): number | undefined => (over ? undefined : first.shift());
      reach = await work(nextOfFirst, take, 'covered');
    }
    await work(next, take);
  });
  await Promise.all(works);
  const seconds = (performance.now() - startedAt) / 1000;
  return { ...sum, faults, seconds, ...meter.read(), reach };
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

/** One worker, which gets one seed after the other; what a covered one reaches it tells at last. */
async function work(
  next: () => number | undefined,
  take: (told: Told) => void,
  workerData?: 'covered',
): Promise<Reach | undefined> {
  // A seed makes much that nobody needs for long: with more room less of it is copied about.
  const resourceLimits = { maxYoungGenerationSizeMb: 64 };
  const worker = new Worker(new URL('worker.ts', import.meta.url), { resourceLimits, workerData });
  try {
    for (let seed = next(); seed !== undefined; seed = next()) {
      take(await answerOf<Told>(worker, seed));
    }
    return workerData === undefined ? undefined : await answerOf<Reach>(worker, 'reach');
  } finally {
    await worker.terminate();
  }
}

async function answerOf<Answer>(worker: Worker, order: Order): Promise<Answer> {
  const answer = Promise.withResolvers<Answer>();
  const onError = (error: unknown): void => answer.reject(error as Error);
  worker.once('message', answer.resolve);
  worker.once('error', onError);
  worker.postMessage(order, []);
  try {
    return await answer.promise;
  } finally {
    worker.off('error', onError);
  }
}
