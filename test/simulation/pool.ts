/** Many seeds, on all processors. */
import type { Reach } from './coverage.ts';
import { Meter, type Speed } from './meter.ts';
import { SeedThread, type Told } from './seed-thread.ts';

export interface Campaign {
  /** The first fresh seed. */
  readonly from: number;
  /** Run before the fresh ones, in any case. */
  readonly known: readonly number[];
  readonly seeds?: number;
  /** Of processor time: where others come first, the clock says little of how much was looked at. */
  readonly seconds?: number;
  /** Of so many seeds, the first, it is also told which parts of the core they do not reach. */
  readonly covered: number;
}

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

/** So long V8's compiler has much to do in each worker: then it takes a tenth, not a fifth. */
const coldSeeds = 300;

export async function runCampaign(
  campaign: Campaign,
  workers: number,
  onFailure: (told: Told) => void,
): Promise<CampaignResult> {
  const startedAt = performance.now();
  const faults = new Map<string, number>();
  const sum = { seeds: 0, failed: 0, episodes: 0, moves: 0, simulatedMs: 0 };
  const meter = new Meter(campaign.covered + workers * coldSeeds);
  const seeds = seedsOf(campaign, meter);
  const take = (told: Told): void => {
    sum.seeds += 1;
    sum.episodes += told.episodes;
    sum.moves += told.moves;
    sum.simulatedMs += told.simulatedMs;
    meter.count();
    for (const kind of told.kinds) faults.set(kind, (faults.get(kind) ?? 0) + 1);
    if (told.violations.length === 0) return;
    sum.failed += 1;
    onFailure(told);
  };
  const next = (): number | undefined => seeds.next().value ?? undefined;
  // Taken at once, so that they are the same ones however many workers there are.
  const first = Array.from({ length: campaign.covered }, next);
  let reach: Reach | undefined;
  const works = Array.from({ length: workers }, async (_, index) => {
    if (index === 0 && first.length > 0) {
      reach = await work(() => first.shift(), take, 'covered');
    }
    await work(next, take);
  });
  await Promise.all(works);
  const seconds = (performance.now() - startedAt) / 1000;
  return { ...sum, faults, seconds, ...meter.read(), reach };
}

function* seedsOf(campaign: Campaign, meter: Meter): Generator<number> {
  const { known, from, seeds, seconds } = campaign;
  yield* known;
  for (let seed = from; ; seed += 1) {
    if (seeds !== undefined && seed >= from + seeds) return;
    if (seconds !== undefined && meter.seconds > seconds) return;
    yield seed;
  }
}

/** One thread, which gets one seed after the other; what a covered one reaches it tells at last. */
async function work(
  next: () => number | undefined,
  take: (told: Told) => void,
  kind?: 'covered',
): Promise<Reach | undefined> {
  const thread = new SeedThread({ covered: kind === 'covered' });
  try {
    for (let seed = next(); seed !== undefined; seed = next()) take(await thread.run(seed));
    return kind === undefined ? undefined : await thread.reach();
  } finally {
    await thread.end();
  }
}
