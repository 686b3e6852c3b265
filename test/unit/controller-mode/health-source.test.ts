import { describe, expect, it } from '@jest/globals';
import type { HealthFact } from '../../../src/controller-mode/facts.ts';
import { HealthSource, pace } from '../../../src/controller-mode/health-source.ts';
import type {
  HealthListing,
  HealthOffer,
  HealthRead,
} from '../../../src/shared/csi/volume-health.ts';
import type { HealthStatus, VolumeHealth } from '../../../src/shared/health.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { done, outcomeOfGrpc } from '../../../src/shared/outcome.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';

const intervalMs = 60_000;
const minute = intervalMs * 1.1;

function health(status: HealthStatus): VolumeHealth {
  return { status, reason: '', message: '' };
}

const never = new Promise<never>(() => undefined);

/** A driver by what it offers and answers, asked by the clock of the test. */
class Storage {
  readonly clock = new FakeClock();
  readonly facts: HealthFact[] = [];
  readonly asked: string[] = [];
  offer: HealthOffer | undefined = { list: 'none', get: 'none' };
  isLeading = true;
  bound: string[] = [];
  troubled: string[] = [];
  listed: Record<string, HealthStatus> = {};
  omitsHealthy = false;
  /** What one question comes to; `hang`: nothing. */
  answer: (handle: string) => HealthStatus | 'hang' | number = () => 'Healthy';
  listing: 'ok' | 'hang' | number = 'ok';
  listings = 0;
  asking = 0;
  mostAsking = 0;
  readonly source = new HealthSource({
    csi: {
      healthOffer: () =>
        Promise.resolve({
          outcome: done,
          ...(this.offer === undefined ? {} : { offer: this.offer }),
        }),
      listHealth: () => this.#list(),
      volumeHealth: (handle) => this.#ask(handle),
    },
    shell: {
      clock: this.clock,
      random: () => 0.5,
      log: silentLog,
      metrics: createMetrics({ version: '', mode: '', startedAt: 0 }),
    },
    post: (fact) => this.facts.push(fact),
    intervalMs,
    isLeading: () => this.isLeading,
    bound: () => this.bound,
    troubled: () => this.troubled,
  });

  async run(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
  }

  words(): Record<string, string> {
    const words: Record<string, string> = {};
    for (const fact of this.facts) {
      if (fact.kind === 'HealthListed') {
        for (const [handle, { status }] of fact.volumes) words[handle] = status;
      } else if (fact.kind === 'HealthRead') words[fact.handle] = fact.health?.status ?? 'absent';
      else words[fact.handle || 'listing'] = fact.code;
    }
    return words;
  }

  async #list(): Promise<HealthListing> {
    this.listings += 1;
    if (this.listing === 'hang') return never;
    if (typeof this.listing === 'number') {
      const outcome = outcomeOfGrpc(this.listing, '');
      return { outcome, volumes: new Map(), omitsHealthy: this.omitsHealthy };
    }
    const entries = Object.entries(this.listed);
    const volumes = new Map(entries.map(([handle, status]) => [handle, health(status)]));
    return { outcome: done, volumes, omitsHealthy: this.omitsHealthy };
  }

  async #ask(handle: string): Promise<HealthRead> {
    this.asked.push(handle);
    this.asking += 1;
    this.mostAsking = Math.max(this.mostAsking, this.asking);
    const answer = this.answer(handle);
    if (answer === 'hang') return never;
    await Promise.resolve();
    this.asking -= 1;
    if (typeof answer === 'number') return { outcome: outcomeOfGrpc(answer, '') };
    return { outcome: done, health: health(answer) };
  }
}

function storage(changes: Partial<Storage>): Storage {
  const made = Object.assign(new Storage(), changes);
  made.source.start();
  return made;
}

function handles(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `v${i}`);
}

const list: HealthOffer = { list: 'condition', get: 'none' };
const get: HealthOffer = { list: 'none', get: 'condition' };
const both: HealthOffer = { list: 'condition', get: 'condition' };
const younger: HealthOffer = { list: 'health', get: 'health' };

describe('a driver that lists the health of its volumes', () => {
  it('is asked at once, and then once in an interval', async () => {
    const s = storage({ offer: list, bound: ['a'], listed: { a: 'Healthy', other: 'Abnormal' } });
    await s.run(0);
    expect(s.words()).toEqual({ a: 'Healthy' });
    s.listed = { a: 'Abnormal' };
    await s.run(minute);
    expect(s.words()).toEqual({ a: 'Abnormal' });
    const before = s.listings;
    await s.run(10 * intervalMs);
    expect(s.listings - before).toBe(10);
    expect(s.asked).toEqual([]);
  });

  it('is asked for nothing while no volume of it is bound, and at once when one is', async () => {
    const s = storage({ offer: list, listed: { a: 'Healthy' } });
    await s.run(10 * intervalMs);
    expect(s.listings).toBe(0);
    s.bound = ['a'];
    await s.run(1_000);
    expect(s.words()).toEqual({ a: 'Healthy' });
  });

  it('is asked twice in a row only where a volume is well by being left out', async () => {
    const asked = [list, younger].map(async (offer) => {
      const s = storage({ offer, bound: ['a'], omitsHealthy: offer === younger });
      await s.run(intervalMs - 1);
      return s.listings;
    });
    expect(await Promise.all(asked)).toEqual([1, 2]);
  });

  it('is not asked again while a listing has not come to its end', async () => {
    const s = storage({ offer: list, bound: ['a'], listing: 'hang' });
    await s.run(10 * intervalMs);
    expect(s.listings).toBe(1);
    expect(s.facts).toEqual([]);
  });

  it('has said nothing when its listing failed', async () => {
    const s = storage({ offer: list, bound: ['a'], listing: 14 });
    await s.run(0);
    expect(s.words()).toEqual({ listing: 'UNAVAILABLE' });
    Object.assign(s, { listing: 'ok', listed: { a: 'Healthy' } });
    await s.run(minute);
    expect(s.words()).toEqual({ listing: 'UNAVAILABLE', a: 'Healthy' });
  });

  it('is asked more often while a node finds one of its volumes bad', async () => {
    const s = storage({ offer: list, bound: ['a'], listed: { a: 'Healthy' } });
    await s.run(3 * intervalMs);
    const before = s.listings;
    s.troubled = ['a'];
    await s.run(intervalMs);
    expect(s.listings - before).toBe(6);
  });

  it('is asked by name for a volume that it lists without a word, if it can be', async () => {
    const s = storage({
      offer: both,
      bound: ['a', 'b', 'c'],
      listed: { a: 'Healthy', b: 'Unknown' },
    });
    s.answer = () => 'Abnormal';
    await s.run(2_000);
    expect(s.words()).toEqual({ a: 'Healthy', b: 'Abnormal', c: 'Abnormal' });
  });

  it('of CSI 1.13 says that all is well by two empty passes, soon after we lead', async () => {
    const s = storage({ offer: younger, bound: ['a'], omitsHealthy: true });
    await s.run(9_000);
    expect(s.words()).toEqual({});
    await s.run(3_000);
    expect(s.words()).toEqual({ a: 'Healthy' });
    expect(s.asked).toEqual([]);
  });

  it('of CSI 1.13 is asked for a volume that was in trouble and is not named any more', async () => {
    const s = storage({
      offer: younger,
      bound: ['a'],
      omitsHealthy: true,
      listed: { a: 'Degraded' },
    });
    await s.run(3 * intervalMs);
    expect(s.words()).toEqual({ a: 'Degraded' });
    Object.assign(s, { listed: {}, answer: () => 'Inaccessible' });
    await s.run(minute + 2_000);
    expect(s.words()).toEqual({ a: 'Inaccessible' });
  });
});

describe('a driver that can only be asked for one volume after the other', () => {
  it('is asked for 5,000 within five minutes, evenly', async () => {
    const s = storage({ offer: get, bound: handles(5_000) });
    await s.run(1_000);
    expect(s.asked.length).toBeLessThanOrEqual(1_000 / pace.everyMs + 1);
    await s.run(299_000);
    expect(new Set(s.asked).size).toBe(5_000);
    expect(Object.keys(s.words())).toHaveLength(5_000);
  });

  it('is asked for each of a few only once in an interval', async () => {
    const s = storage({ offer: get, bound: ['a', 'b'] });
    await s.run(10 * intervalMs);
    expect(s.asked.filter((handle) => handle === 'a').length).toBeLessThanOrEqual(11);
    expect(s.asked.filter((handle) => handle === 'a').length).toBeGreaterThanOrEqual(9);
  });

  it('is asked first for what a node finds bad', async () => {
    const s = storage({ offer: get, bound: handles(5_000) });
    await s.run(1_000);
    s.troubled = ['v4711'];
    await s.run(200);
    expect(s.asked).toContain('v4711');
    await s.run(60_000);
    const times = s.asked.filter((handle) => handle === 'v4711').length;
    expect(times).toBe(7);
  });

  it('never has more than so many questions open, and none twice', async () => {
    const s = storage({ offer: get, bound: handles(100), troubled: ['v1'], answer: () => 'hang' });
    await s.run(10 * intervalMs);
    expect(s.mostAsking).toBe(pace.atOnce);
    expect(new Set(s.asked).size).toBe(pace.atOnce);
    expect(s.asked).toHaveLength(pace.atOnce);
  });

  it('is unknown for what it failed to answer, and absent for what it does not have', async () => {
    const s = storage({ offer: get, bound: ['a', 'b', 'c'] });
    s.answer = (handle) => ({ a: 10, b: 5 })[handle] ?? 'Healthy';
    await s.run(1_000);
    expect(s.words()).toEqual({ a: 'ABORTED', b: 'absent', c: 'Healthy' });
  });

  it('is left alone for a while when nothing but errors come, and taken up again', async () => {
    const s = storage({ offer: get, bound: handles(1_000), answer: () => 14 });
    await s.run(30_000);
    expect(s.asked).toHaveLength(20);
    expect(new Set(Object.values(s.words()))).toEqual(new Set(['UNAVAILABLE']));
    s.answer = () => 'Healthy';
    await s.run(3 * intervalMs);
    expect(Object.keys(s.words())).toHaveLength(1_000);
    expect(new Set(Object.values(s.words()))).toEqual(new Set(['Healthy']));
  });
});

describe('nobody is asked', () => {
  it.each<readonly [string, Partial<Storage>]>([
    [
      'while another replica leads',
      { isLeading: false, offer: both, bound: ['a'], troubled: ['a'] },
    ],
    ['by a driver that offers no health', { bound: ['a'], troubled: ['a'] }],
    ['while the driver does not say what it can do', { offer: undefined, bound: ['a'] }],
  ])('%s', async (_, changes) => {
    const s = storage(changes);
    await s.run(10 * intervalMs);
    expect(s.facts).toEqual([]);
    expect([s.listings, s.asked.length]).toEqual([0, 0]);
  });

  it('any more after the stop', async () => {
    const s = storage({ offer: both, bound: ['a'] });
    await s.run(1_000);
    s.source.stop();
    await s.run(0);
    const { listings } = s;
    await s.run(10 * intervalMs);
    expect(s.listings).toBe(listings);
    expect(s.clock.pending).toBe(0);
  });

  it('until we lead; then at once', async () => {
    const s = storage({ isLeading: false, offer: list, bound: ['a'], listed: { a: 'Healthy' } });
    await s.run(intervalMs);
    s.isLeading = true;
    await s.run(1_000);
    expect(s.words()).toEqual({ a: 'Healthy' });
  });
});
