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

const names = (count: number) => Array.from({ length: count }, (_, i) => `v${i}`);

describe('rounds over the volumes', () => {
  it('ask about everything once, and again an interval later', async () => {
    const { clock, facts, world, source } = setUp(['a', 'b']);
    source.start();
    await clock.advance(everyMs - 1);
    expect(facts).toEqual([
      { kind: 'VolumesFound', handles: ['a', 'b'], offered: true },
      { kind: 'StorageAsked', storage: { status: 'ok', reason: '', message: '' } },
      { kind: 'VolumeAsked', handle: 'a', answer: { kind: 'Told', health: healthy } },
      { kind: 'VolumeAsked', handle: 'b', answer: { kind: 'Told', health: healthy } },
    ]);
    await clock.advance(1);
    source.stop();
    expect(world.rounds).toEqual([0, everyMs]);
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
    await clock.advance(everyMs - 1);
    expect(facts).toContainEqual({ kind: 'VolumeAsked', handle: 'v0', answer: { kind: 'Late' } });
    await clock.advance(1);
    world.asked.length = 0;
    while (world.asked.length < 20) await clock.advance(100);
    source.stop();
    expect(world.asked.slice(0, 18)).not.toContain('v0');
    expect(world.asked.slice(18, 20)).toEqual(['v0', 'v1']);
  });

  it('come back sooner to what is in doubt, with one other volume to compare', async () => {
    const { clock, world, driver, source } = setUp(names(20));
    const answer = driver.volume.bind(driver);
    let isBad = true;
    driver.volume = async (place) => {
      const answered = await answer(place);
      const health = { status: 'Inaccessible', reason: '', message: '' } as const;
      return isBad && place.handle === 'v7' ? { ...answered, health } : answered;
    };
    source.start();
    await clock.advance(3000);
    world.asked.length = 0;
    await clock.advance(3000);
    expect(world.asked).toEqual(['v0', 'v7']);
    isBad = false;
    await clock.advance(3000);
    expect(world.asked).toEqual(['v0', 'v7', 'v0', 'v7']);
    await clock.advance(3000);
    world.asked.length = 0;
    await clock.advance(7000);
    source.stop();
    expect(world.asked).toEqual([]);
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
