import { describe, expect, it } from '@jest/globals';
import { createAct, type HeartbeatAnswer } from '../../../src/node-mode/act.ts';
import type { Machine } from '../../../src/node-mode/clean.ts';
import type { DriverWord, Fact } from '../../../src/node-mode/facts.ts';
import { nodeMode } from '../../../src/node-mode/mode.ts';
import { type DriverPort, Sources } from '../../../src/node-mode/sources.ts';
import { createState } from '../../../src/node-mode/state.ts';
import { done, unknown } from '../../../src/shared/outcome.ts';
import { Reconciler } from '../../../src/shared/reconciler.ts';
import { decodeNodeReport, type NodeReport } from '../../../src/shared/record.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';
import { fenceText, intervalMs, kubeletDir, mountOfVolume1 } from './bench.ts';

const never = <T>(): Promise<T> => new Promise<T>(() => {});
const empty: Machine = {
  mounts: [{ mountPoint: '/', receives: true }],
  volumes: [],
  kubeletDirs: [kubeletDir],
};

/** A driver that does what the test says. */
class Driver implements DriverPort {
  connections = 1;
  word: DriverWord | 'hangs' = 'ok';
  id: string | undefined = 'id-a';
  probe = (): Promise<DriverWord> => (this.word === 'hangs' ? never() : Promise.resolve(this.word));
  nodeId = (): Promise<string | undefined> => Promise.resolve(this.id);
}

/** The whole agent but its files and sockets, on a fake clock. */
function agent(options: { clock?: FakeClock; fence?: string } = {}) {
  const { clock = new FakeClock({ now: 5000 }) } = options;
  const world = {
    driver: new Driver(),
    fence: options.fence as string | undefined,
    api: (): Promise<HeartbeatAnswer> | undefined => undefined,
    machine: (): Promise<Machine> => Promise.resolve(empty),
    written: [] as { readonly at: number; readonly report: NodeReport | undefined }[],
    stopped: false,
  };
  const post = (fact: Fact): void => reconciler.post(fact);
  const act = createAct({
    clock,
    log: silentLog,
    heartbeat: {
      renew: ({ report }) => {
        const answer = world.api();
        if (answer !== undefined) return answer;
        world.written.push({ at: clock.now(), report: decodeNodeReport(report) });
        return Promise.resolve({ outcome: done, fence: world.fence });
      },
      look: () => Promise.resolve({ outcome: done, fence: world.fence }),
    },
    inspect: () => world.machine(),
    inspectDeadlineMs: intervalMs,
    driver: { unmount: () => Promise.resolve(done) },
    paths: { driverName: 'block.example.com', sha256Hex: (text) => text },
    post,
    onLastRenewal: () => {
      world.stopped = true;
    },
  });
  const reconciler = new Reconciler({
    mode: nodeMode,
    state: createState(
      {
        driverName: 'block.example.com',
        heartbeatIntervalMs: intervalMs,
        localProbes: false,
        sha256Hex: (text) => text,
      },
      clock.now(),
    ),
    clock,
    log: silentLog,
    act,
    announce: () => {},
    fatal: (error) => {
      throw error;
    },
  });
  const sources = new Sources({
    shell: { clock, random: () => 0.5, log: silentLog },
    driver: world.driver,
    kubeletHealthzAddress: '127.0.0.1:1',
    bootIdFile: '/proc/sys/kernel/random/boot_id',
    heartbeatIntervalMs: intervalMs,
    driverDeadlineMs: 3000,
    post,
  });
  const last = (): NodeReport | undefined => world.written.at(-1)?.report;
  /** No silence between two renewals longer than this, from `since` until now. */
  const longestSilence = (since: number): number => {
    const moments = [since, ...world.written.map(({ at }) => at), clock.now()];
    const later = moments.filter((at) => at >= since);
    return Math.max(...later.slice(1).map((at, index) => at - (later[index] ?? at)));
  };
  return { clock, world, reconciler, sources, post, last, longestSilence };
}

function start(parts: ReturnType<typeof agent>): void {
  parts.post({ kind: 'BootIdRead', bootId: 'boot-1' });
  parts.reconciler.start();
}

describe('an agent', () => {
  it('renews at its interval, and writes nothing else', async () => {
    const parts = agent();
    start(parts);
    parts.post({ kind: 'DriverProbed', word: 'ok', nodeId: 'id-a' });
    await parts.clock.advance(20_000);
    expect(parts.world.written.length).toBeGreaterThanOrEqual(10);
    expect(parts.world.written.length).toBeLessThanOrEqual(11);
    expect(parts.longestSilence(5000)).toBeLessThanOrEqual(intervalMs + 100);
  });

  it('goes on renewing while the driver hangs, and says so', async () => {
    const parts = agent();
    parts.world.driver.word = 'hangs';
    start(parts);
    parts.sources.start();
    await parts.clock.advance(60_000);
    parts.sources.stop();
    expect(parts.longestSilence(5000)).toBeLessThanOrEqual(intervalMs + 100);
    expect(parts.last()).toMatchObject({ driver: 'silent' });
  });

  it('tells a driver that left from one that hangs, and sees it come back', async () => {
    const parts = agent();
    const { driver } = parts.world;
    start(parts);
    parts.sources.start();
    await parts.clock.advance(10_000);
    expect(parts.last()).toMatchObject({ driver: 'ok', nodeId: 'id-a' });
    driver.word = 'refused';
    await parts.clock.advance(10_000);
    expect(parts.last()).toMatchObject({ driver: 'refused', nodeId: 'id-a' });
    Object.assign(driver, { word: 'ok', id: 'id-b', connections: 2 });
    await parts.clock.advance(10_000);
    parts.sources.stop();
    expect(parts.last()).toMatchObject({ driver: 'ok', nodeId: 'id-b' });
  });

  it('keeps the node id it knows when the driver does not say one, and asks again', async () => {
    const parts = agent();
    const { driver } = parts.world;
    start(parts);
    parts.sources.start();
    await parts.clock.advance(10_000);
    Object.assign(driver, { id: undefined, connections: 2 });
    await parts.clock.advance(10_000);
    expect(parts.last()).toMatchObject({ nodeId: 'id-a' });
    driver.id = 'id-b';
    await parts.clock.advance(10_000);
    parts.sources.stop();
    expect(parts.last()).toMatchObject({ nodeId: 'id-b' });
  });

  it('goes on renewing while the mount table hangs, and is not clean', async () => {
    const parts = agent({ fence: fenceText() });
    parts.world.machine = never;
    start(parts);
    await parts.clock.advance(60_000);
    expect(parts.longestSilence(5000 + intervalMs)).toBeLessThanOrEqual(intervalMs + 100);
    expect(parts.world.written.some(({ report }) => report?.clean !== undefined)).toBe(false);
  });

  it('attests within a second that it is clean, once the volume is unmounted', async () => {
    const parts = agent({ fence: fenceText() });
    const mounts = [...empty.mounts, { mountPoint: mountOfVolume1, receives: true }];
    parts.world.machine = () => Promise.resolve({ ...empty, mounts });
    start(parts);
    await parts.clock.advance(20_000);
    expect(parts.last()).not.toHaveProperty('clean');
    parts.world.machine = () => Promise.resolve(empty);
    await parts.clock.advance(intervalMs + 1000);
    expect(parts.last()).toMatchObject({ clean: { epoch: 'e1', bootId: 'boot-1' } });
    parts.world.fence = fenceText({ phase: 'Released' });
    await parts.clock.advance(2 * intervalMs);
    expect(parts.last()).not.toHaveProperty('clean');
  });

  it('takes the attestation back when a look fails', async () => {
    const parts = agent({ fence: fenceText() });
    start(parts);
    await parts.clock.advance(10_000);
    expect(parts.last()).toHaveProperty('clean');
    parts.world.machine = () => Promise.reject(new Error('EACCES'));
    await parts.clock.advance(10_000);
    expect(parts.last()).not.toHaveProperty('clean');
  });

  it('keeps its pace while the API is away, and is back within one interval', async () => {
    const parts = agent();
    start(parts);
    await parts.clock.advance(10_000);
    const noAnswer = { outcome: unknown('NO_ANSWER', ''), fence: undefined };
    let attempts = 0;
    parts.world.api = () => {
      attempts += 1;
      return Promise.resolve(noAnswer);
    };
    await parts.clock.advance(30_000);
    expect(attempts).toBeGreaterThanOrEqual(14);
    expect(attempts).toBeLessThanOrEqual(16);
    parts.world.api = () => undefined;
    const back = parts.clock.now();
    await parts.clock.advance(10_000);
    expect(parts.longestSilence(back)).toBeLessThanOrEqual(intervalMs + 100);
  });

  it('says that it stops, once, and then is silent', async () => {
    const parts = agent();
    start(parts);
    await parts.clock.advance(10_000);
    parts.post({ kind: 'Stopping' });
    await parts.clock.advance(200);
    expect(parts.world.stopped).toBe(true);
    expect(parts.last()).toMatchObject({ driver: 'stopping' });
    const written = parts.world.written.length;
    await parts.clock.advance(60_000);
    expect(parts.world.written).toHaveLength(written);
  });
});
