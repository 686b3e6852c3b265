import { describe, expect, it } from '@jest/globals';
import type { Fact } from '../../../src/node-mode/facts.ts';
import { type HealthPort, HealthSource } from '../../../src/node-mode/health-source.ts';
import type { NodeVolume } from '../../../src/node-mode/node-volumes.ts';
import type { VolumeHealth } from '../../../src/shared/health.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { done, unknown } from '../../../src/shared/outcome.ts';
import { FakeClock } from '../../fake-clock.ts';

const everyMs = 10_000;
const deadlineMs = 4000;
const healthy: VolumeHealth = { status: 'Healthy', reason: '', message: '' };
const never = <T>(): Promise<T> => new Promise<T>(() => {});

function volume(handle: string): NodeVolume {
  return { handle, pv: '', block: false, publishPaths: [`/k/${handle}`], stagingPath: '' };
}

/** A driver that answers after a while, on a fake clock; `hung` volumes wait for the deadline. */
function setUp(handles: readonly string[], options: { readonly hung?: readonly string[] } = {}) {
  const clock = new FakeClock();
  const facts: Fact[] = [];
  const world = {
    volumes: handles.map(volume),
    read: (): Promise<readonly NodeVolume[]> => Promise.resolve(world.volumes),
    asked: [] as string[],
    /** When each round began. */
    rounds: [] as number[],
    busy: 0,
    busiest: 0,
  };
  const driver: HealthPort = {
    offer: () => {
      world.rounds.push(clock.now());
      return Promise.resolve({ volumes: 'health', storage: true });
    },
    volume: async ({ handle }) => {
      world.asked.push(handle);
      world.busy += 1;
      world.busiest = Math.max(world.busiest, world.busy);
      const isHung = options.hung?.includes(handle) ?? false;
      await clock.sleep(isHung ? deadlineMs : 20);
      world.busy -= 1;
      if (isHung) return { outcome: unknown('DEADLINE_EXCEEDED', '') };
      return { outcome: done, health: healthy };
    },
    storage: () =>
      Promise.resolve({ outcome: done, storage: { status: 'ok', reason: '', message: '' } }),
  };
  const metrics = createMetrics({ version: '', mode: '', startedAt: 0 });
  const source = new HealthSource({
    shell: { clock, random: () => 0.5, metrics },
    driver,
    readVolumes: () => world.read(),
    everyMs,
    deadlineMs,
    post: (fact) => void facts.push(fact),
  });
  return { clock, facts, world, driver, source, metrics };
}

/** Answers that this volume is out of reach, until what is returned is called. */
function breakOne(driver: HealthPort, handle: string): () => void {
  return breakSome(driver, (one) => one === handle);
}

function breakAll(driver: HealthPort): () => void {
  return breakSome(driver, () => true);
}

function breakSome(driver: HealthPort, isBroken: (handle: string) => boolean): () => void {
  const answer = driver.volume.bind(driver);
  const health = { status: 'Inaccessible', reason: '', message: '' } as const;
  driver.volume = async (place) => {
    const answered = await answer(place);
    return isBroken(place.handle) ? { ...answered, health } : answered;
  };
  return () => {
    driver.volume = answer;
  };
}

function isLate(fact: Fact): boolean {
  return fact.kind === 'VolumeAsked' && fact.answer.kind === 'Late';
}

const told = (health: VolumeHealth) => ({ kind: 'Told', health }) as const;
const storageOk = { status: 'ok', reason: '', message: '' } as const;

const names = (count: number) => Array.from({ length: count }, (_, i) => `v${i}`);

describe('steps over the volumes', () => {
  it('ask about everything at first, and again within each interval', async () => {
    const { clock, facts, world, source } = setUp(names(6));
    source.start();
    await clock.advance(1000);
    const [found, ...answers] = facts;
    expect(found).toEqual({ kind: 'VolumesFound', handles: names(6), offered: true });
    expect(answers).toContainEqual({ kind: 'StorageAsked', storage: storageOk });
    for (const handle of names(6)) {
      expect(answers).toContainEqual({ kind: 'VolumeAsked', handle, answer: told(healthy) });
    }
    await clock.advance(everyMs - 1000);
    for (let interval = 0; interval < 3; interval += 1) {
      world.asked.length = 0;
      await clock.advance(everyMs);
      expect(world.asked.toSorted()).toEqual(names(6));
    }
    source.stop();
    expect(world.rounds.slice(0, 3)).toEqual([0, everyMs, 2 * everyMs]);
  });

  it.each([
    [1, ['v0', 'v0', 'v0', 'v0', 'v0', 'v0']],
    [2, ['v0', 'v1', 'v0', 'v1', 'v0', 'v1']],
    [4, ['v3', 'v0', 'v1 v2', 'v3', 'v0', 'v1 v2']],
  ])('are three in an interval, each with its share of %i', async (count, expected) => {
    const { clock, world, source } = setUp(names(count));
    source.start();
    await clock.advance(everyMs - 100);
    const said: string[] = [];
    for (const _ of expected) {
      world.asked.length = 0;
      await clock.advance(everyMs / 3);
      said.push(world.asked.join(' '));
    }
    source.stop();
    expect(said).toEqual(expected);
  });

  it('ask at once about all, and the storage, when trouble shows in one of them', async () => {
    const { clock, facts, world, driver, source } = setUp(names(30));
    source.start();
    await clock.advance(2 * everyMs + 1000);
    breakAll(driver);
    world.asked.length = 0;
    facts.length = 0;
    await clock.advance(everyMs / 3 + 2000);
    source.stop();
    expect(world.asked).toHaveLength(30);
    expect(new Set(world.asked).size).toBe(30);
    expect(facts).toContainEqual({ kind: 'StorageAsked', storage: storageOk });
  });

  it('ask about all once, and not whenever what is known to be bad is bad still', async () => {
    const { clock, world, driver, source } = setUp(names(30));
    source.start();
    await clock.advance(1000);
    breakOne(driver, 'v7');
    await clock.advance(2 * everyMs);
    world.asked.length = 0;
    await clock.advance(everyMs);
    source.stop();
    // Each of the others once, and that one three times.
    expect(world.asked.filter((handle) => handle === 'v7')).toHaveLength(3);
    expect(world.asked.filter((handle) => handle !== 'v7')).toHaveLength(29);
  });

  it('ask at once about a volume that is new', async () => {
    const { clock, world, source } = setUp(names(30));
    source.start();
    await clock.advance(everyMs - 100);
    world.volumes = [...names(30), 'new'].map(volume);
    await clock.advance(2000);
    source.stop();
    expect(world.asked).toContain('new');
  });

  it('keep to a few calls at a time and 20 a second, whatever there is to ask', async () => {
    const { clock, world, source } = setUp(names(500));
    source.start();
    await clock.advance(10_000);
    source.stop();
    expect(world.busiest).toBeLessThanOrEqual(8);
    expect(world.asked.length).toBeGreaterThan(150);
    expect(world.asked.length).toBeLessThanOrEqual(208);
  });

  it('never overlap, and leave a pause when they take too long', async () => {
    const { clock, world, source } = setUp(names(500));
    source.start();
    await clock.advance(60_000);
    source.stop();
    const [first = 0, second = 0] = world.rounds;
    // Every volume once before any is asked about again.
    expect(new Set(world.asked.slice(0, 500)).size).toBe(500);
    expect(second - first).toBeGreaterThan(25_000);
    expect(world.busiest).toBeLessThanOrEqual(8);
  });

  it('ask last about what did not answer in time', async () => {
    const { clock, facts, world, source } = setUp(names(20), { hung: ['v0', 'v1'] });
    source.start();
    while (facts.filter(isLate).length < 2) await clock.advance(100);
    world.asked.length = 0;
    await clock.advance(everyMs);
    source.stop();
    const ofOneStep = world.asked.slice(0, world.asked.indexOf('v1') + 1);
    expect(ofOneStep.length).toBeGreaterThan(2);
    expect(ofOneStep.slice(-2)).toEqual(['v0', 'v1']);
  });

  it('come back sooner to what is in doubt, until it is well', async () => {
    const { clock, world, driver, source } = setUp(names(20));
    const heal = breakOne(driver, 'v7');
    source.start();
    await clock.advance(3000);
    for (let step = 0; step < 5; step += 1) {
      world.asked.length = 0;
      await clock.advance(everyMs / 3);
      expect(world.asked).toContain('v7');
      // With others, to compare.
      expect(world.asked.length).toBeGreaterThan(1);
    }
    heal();
    await clock.advance(everyMs / 3);
    world.asked.length = 0;
    await clock.advance(2 * everyMs);
    source.stop();
    expect(world.asked.filter((handle) => handle === 'v7')).toHaveLength(2);
  });

  it('do not wait for a call that breaks its own deadline', async () => {
    const { clock, facts, driver, source } = setUp(['a']);
    driver.volume = never;
    source.start();
    await clock.advance(30_000);
    source.stop();
    const late = facts.filter((fact) => fact.kind === 'VolumeAsked');
    expect(late.length).toBeGreaterThan(1);
    expect(late[0]?.answer).toEqual({ kind: 'Late' });
  });

  it.each<readonly [string, () => Promise<readonly NodeVolume[]>]>([
    ['hangs', never],
    ['cannot be read', () => Promise.reject(new Error('EIO'))],
  ])('say so when the kubelet directory %s, and go on', async (_, read) => {
    const { clock, facts, world, source } = setUp(['a']);
    world.read = read;
    source.start();
    await clock.advance(2 * everyMs);
    source.stop();
    expect(facts.length).toBeGreaterThanOrEqual(2);
    expect(new Set(facts.map(({ kind }) => kind))).toEqual(new Set(['VolumesUnread']));
  });

  it.each<readonly [string, HealthPort['offer']]>([
    ['does not say what it offers', () => Promise.resolve(undefined)],
    ['never answers', never],
  ])('ask nothing of a driver that %s', async (_, offer) => {
    const { clock, facts, world, driver, source } = setUp(['a']);
    driver.offer = offer;
    source.start();
    await clock.advance(everyMs);
    source.stop();
    expect(world.asked).toEqual([]);
    expect(facts[0]).toEqual({ kind: 'VolumesFound', handles: ['a'], offered: undefined });
  });

  it('ask for nothing that is not offered, and take back what was said of it', async () => {
    const { clock, facts, world, driver, source } = setUp(['a']);
    driver.offer = () => Promise.resolve({ volumes: 'none', storage: false });
    driver.storage = never;
    source.start();
    await clock.advance(everyMs - 1);
    source.stop();
    expect(world.asked).toEqual([]);
    expect(facts).toEqual([
      { kind: 'VolumesFound', handles: ['a'], offered: false },
      { kind: 'StorageAsked', storage: undefined },
    ]);
  });

  it.each<readonly [string, HealthPort['volume'], object]>([
    ['rejects', () => Promise.reject(new Error('no')), { kind: 'Refused', code: 'FAILED' }],
    [
      'answers ABORTED',
      () => Promise.resolve({ outcome: unknown('ABORTED', '') }),
      { kind: 'Refused', code: 'ABORTED' },
    ],
  ])('pass on that a call %s as no answer', async (_, call, answer) => {
    const { clock, facts, driver, source } = setUp(['a']);
    driver.volume = call;
    source.start();
    await clock.advance(100);
    source.stop();
    expect(facts).toContainEqual({ kind: 'VolumeAsked', handle: 'a', answer });
  });

  it('are measured, call by call', async () => {
    const { clock, source, metrics } = setUp(['a', 'b'], { hung: ['b'] });
    source.start();
    await clock.advance(deadlineMs + 100);
    source.stop();
    const { text } = await metrics.render();
    const counts = text
      .split('\n')
      .filter((line) => line.startsWith('csi_volume_health_probe_total'));
    expect(counts.sort()).toEqual([
      'csi_volume_health_probe_total{method="NodeGetStorageHealth",result="success"} 1',
      'csi_volume_health_probe_total{method="NodeGetVolumeHealth",result="error"} 1',
      'csi_volume_health_probe_total{method="NodeGetVolumeHealth",result="success"} 1',
    ]);
  });

  it('tell nothing after the end', async () => {
    const { clock, facts, source } = setUp(names(50));
    source.start();
    await clock.advance(100);
    source.stop();
    const before = facts.length;
    await clock.advance(60_000);
    expect(facts.length).toBe(before);
  });
});
