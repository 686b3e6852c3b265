/**
 * Beside what kubernetes-csi/external-health-monitor v0.18 does, by its README and its controller
 * (pkg/controller/pv_monitor_controller.go, pv_checker.go, node_watcher.go): its Events, its calls
 * to the driver, and two things over which it stumbles.
 */
import { describe, expect, it } from '@jest/globals';
import { HealthSource } from '../../../src/controller-mode/health-source.ts';
import { boundHandles } from '../../../src/controller-mode/polled-volumes.ts';
import type { HealthOffer } from '../../../src/shared/csi/volume-health.ts';
import type { HealthStatus } from '../../../src/shared/health.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { readConfig } from '../../../src/shared/read-config.ts';
import { done } from '../../../src/shared/outcome.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';
import { grants } from '../manifests/grants.ts';
import { StorageWorld, word } from './storage-world.ts';
import { pvView } from './views.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** --worker-threads; each takes one PV every --monitor-interval, which is a minute. */
const workers = 10;
/** --list-volumes-interval of external-health-monitor. */
const listEveryMs = 5 * minuteMs;

/** How often it asks for volumes by name in an hour: the same one again where it has few. */
const itsQuestions = (workers * hourMs) / minuteMs;

interface Asked {
  readonly world: StorageWorld;
  readonly questions: string[];
  readonly answers: Map<string, HealthStatus>;
  listings: number;
  pass(durationMs: number): Promise<void>;
}

/** The volumes of this world, polled by the product while the clock runs. */
function polled(
  world: StorageWorld,
  offer: HealthOffer,
  intervalMs: number,
  isLeading = true,
): Asked {
  const clock = new FakeClock();
  const answers = new Map<string, HealthStatus>();
  const healthOf = (handle: string) => word(answers.get(handle) ?? 'Healthy');
  const asked: Asked = {
    world,
    questions: [],
    answers,
    listings: 0,
    pass: (durationMs) => clock.advance(durationMs),
  };
  const source = new HealthSource({
    csi: {
      healthOffer: () => Promise.resolve({ outcome: done, offer }),
      listHealth: () => {
        asked.listings += 1;
        const volumes = new Map(boundHandles(world.state).map((one) => [one, healthOf(one)]));
        return Promise.resolve({ outcome: done, volumes, omitsHealthy: false });
      },
      volumeHealth: (handle) => {
        asked.questions.push(handle);
        return Promise.resolve({ outcome: done, health: healthOf(handle) });
      },
    },
    shell: {
      clock,
      random: () => 0.5,
      log: silentLog,
      metrics: createMetrics({ version: '', mode: '', startedAt: 0 }),
    },
    post: (fact) => world.see({ ...fact, beganAt: world.now }),
    intervalMs,
    isLeading: () => isLeading,
    bound: () => boundHandles(world.state),
    troubled: () => [],
  });
  source.start();
  return asked;
}

function volumes(count: number): StorageWorld {
  const world = StorageWorld.stored('get');
  for (let i = 0; i < count; i += 1) world.volume(`v${i}`);
  return world;
}

/** Of --list-volumes-interval. */
const defaultMs = ((): number => {
  const read = readConfig({ argv: ['--mode=controller'], environment: {}, readFile: () => '' });
  return read.kind === 'Config' ? read.config.listVolumesIntervalMs : Number.NaN;
})();

const byName: HealthOffer = { list: 'none', get: 'condition' };
const listed: HealthOffer = { list: 'condition', get: 'none' };
const both: HealthOffer = { list: 'condition', get: 'condition' };

describe('beside external-health-monitor', () => {
  it('the same Events stand on the claim, the end of trouble once and not for an hour', () => {
    const world = StorageWorld.stored('list');
    for (const name of ['a', 'b', 'c', 'd', 'e']) world.workload(name, 'n1');
    const all = { a: 'Healthy', b: 'Healthy', c: 'Healthy', d: 'Healthy' } as const;
    const said = new Set<string>();
    for (const status of ['Healthy', 'Abnormal', 'Abnormal', 'Healthy', 'Healthy'] as const) {
      world.pass(minuteMs);
      world.lists({ ...all, e: status });
      for (const { about, type, reason, key, again } of world.decide().notices) {
        if (about.name !== 'e') continue;
        said.add(`${type} ${reason} ${about.kind} ${key} ${again}`);
      }
    }
    const told = [...said].map((text) => text.split(' ').slice(0, 3).join(' '));
    expect(told).toEqual([
      'Warning VolumeConditionAbnormal PersistentVolumeClaim',
      'Normal VolumeConditionNormal PersistentVolumeClaim',
    ]);
  });

  it.each([1, 3, 9])('%d volumes are asked for less often in an hour', async (count) => {
    const asked = polled(volumes(count), byName, minuteMs);
    await asked.pass(hourMs);
    const { length } = asked.questions;
    expect(length / itsQuestions).toBeLessThanOrEqual((1.05 * count) / workers);
    // And each of them as often as it would be there at best.
    expect(length).toBeGreaterThanOrEqual(0.9 * count * (hourMs / minuteMs));
  });

  it('1,000 volumes are all known after a minute, for one question each', async () => {
    const asked = polled(volumes(1_000), byName, hourMs);
    await asked.pass(minuteMs);
    expect(new Set(asked.questions).size).toBe(1_000);
    expect(asked.questions).toHaveLength(1_000);
    // There it takes as many questions, and 100 minutes: ten workers, one a minute each.
  });

  it.each<readonly [string, HealthOffer, number, number]>([
    ['lists', listed, 100, hourMs / listEveryMs],
    ['lists and can be asked by name', both, 100, hourMs / listEveryMs],
    // It lists all the same, and then finds that none of it is a claim's.
    ['lists, and has no volume here', listed, 0, hourMs / listEveryMs],
    ['can be asked by name', byName, 1, itsQuestions],
    ['can be asked by name', byName, 40, itsQuestions],
  ])('with default flags, a driver that %s: no more calls in an hour (%#)', async (...of) => {
    const [, offer, count, its] = of;
    const asked = polled(volumes(count), offer, defaultMs);
    await asked.pass(hourMs - 1);
    const calls = asked.listings + asked.questions.length;
    expect(calls).toBeLessThanOrEqual(its);
    // Listing is one call for everybody; else it is fewer.
    if (offer.list === 'none' || count === 0) expect(calls).toBeLessThan(its);
    else expect(calls).toBeGreaterThan(0);
  });

  it.each([byName, listed, both])('of two replicas only the leader asks (%#)', async (offer) => {
    const standby = polled(volumes(100), offer, defaultMs, false);
    await standby.pass(hourMs);
    expect(standby.listings + standby.questions.length).toBe(0);
    // There --leader-election is off by default, and each replica asks for everything.
  });

  it('no Event of the cluster is read to know what was said before', () => {
    const verbs = grants().filter(({ resource }) => resource === 'events');
    expect(new Set(verbs.map(({ verb }) => verb))).toEqual(new Set(['create']));
  });

  it('a Node that is deleted under its pods does no harm, nor when it comes back', () => {
    const world = StorageWorld.stored('get');
    world.workload('web-0', 'n1');
    world.says('web-0', 'Abnormal');
    world.sick('n1', ['web-0']);
    world.kubeletSays('web-0', 'Inaccessible');
    world.pass(40_000);
    const node = world.state.nodes.get('n1');
    const csinode = world.state.csinodes.get('n1');
    if (node === undefined || csinode === undefined) throw new Error('no node');
    const abnormal = () => world.notices('VolumeConditionAbnormal').map(({ about }) => about.kind);
    expect(new Set(abnormal())).toEqual(new Set(['PersistentVolumeClaim', 'Pod']));
    world.remove(node);
    world.remove(csinode);
    world.pass(minuteMs);
    expect(world.verdict('n1').kind).toBe('Gone');
    expect(abnormal()).toContain('PersistentVolumeClaim');
    world.put({ ...node, uid: 'of another one' });
    world.put(csinode);
    world.says('web-0', 'Healthy');
    world.well('n1');
    expect(world.notices('VolumeConditionNormal').map(({ about }) => about.kind)).toContain(
      'PersistentVolumeClaim',
    );
  });

  it('a PV that was released and is bound again is asked for again, and told of', async () => {
    const asked = polled(volumes(4), byName, minuteMs);
    const { world, questions, answers } = asked;
    const pv = world.state.pvs.get('pv-v0');
    if (pv === undefined) throw new Error('no PV');
    await asked.pass(2 * minuteMs);
    expect(questions).toContain('vol-v0');
    world.put(pvView(pv, { ...pv, claimUid: '', claimName: '', claimNamespace: '' }));
    await asked.pass(2 * minuteMs);
    questions.length = 0;
    await asked.pass(5 * minuteMs);
    expect(questions).not.toContain('vol-v0');
    answers.set('vol-v0', 'Abnormal');
    world.put(pv);
    world.pass(1_000);
    await asked.pass(2 * minuteMs);
    expect(questions).toContain('vol-v0');
    const told = world.notices('VolumeConditionAbnormal').map(({ about }) => about.name);
    expect(told).toEqual(['v0']);
  });
});
