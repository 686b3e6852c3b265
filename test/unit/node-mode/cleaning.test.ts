/** When the agent unmounts what the kubelet has left, and what it makes sure of right before. */
import { describe, expect, it } from '@jest/globals';
import { createAct, type HeartbeatAnswer } from '../../../src/node-mode/act.ts';
import { type Unmount, type UnmountVolume, unmountVolume } from '../../../src/node-mode/actions.ts';
import type { Machine } from '../../../src/node-mode/clean.ts';
import type { KubeletHealth } from '../../../src/node-mode/facts.ts';
import { done, failed, unknown } from '../../../src/shared/outcome.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';
import { Bench, fenceText, intervalMs, kubeletDir, mountOfVolume1 } from './bench.ts';

const fence = fenceText({ pods: ['0a-1b'] });
const left: Machine = {
  mounts: [{ mountPoint: mountOfVolume1, receives: true }],
  volumes: [],
  kubeletDirs: [kubeletDir],
  running: new Set(['own']),
};
const unmount: Unmount = { step: 'unpublish', handle: 'vol-1', path: mountOfVolume1 };
const patienceMs = 30_000;

/** An agent beside a kubelet that works, on a machine with a left-over mount. */
function fenced(text = fence, kubelet: KubeletHealth = 'ok'): Bench {
  const bench = Bench.running();
  bench.see({ kind: 'KubeletProbed', health: kubelet });
  bench.pass(intervalMs);
  bench.renew(text);
  return bench;
}

function unmountOf(bench: Bench): UnmountVolume | undefined {
  return bench.decide().actions.find((action) => action.kind === 'UnmountVolume');
}

/** Looks at the machine at every heartbeat for so long. */
function watch(bench: Bench, durationMs: number, seen: Partial<Machine> = left): void {
  for (let passed = 0; passed < durationMs; passed += intervalMs) {
    if (bench.wanted().includes('InspectMachine')) bench.inspect(seen);
    bench.pass(intervalMs);
  }
  bench.inspect(seen);
}

describe('a mount that the kubelet has left', () => {
  it('is unmounted after 30 s, under the record that asks for it', () => {
    const bench = fenced();
    watch(bench, patienceMs - intervalMs);
    expect(unmountOf(bench)).toBeUndefined();
    watch(bench, intervalMs);
    expect(unmountOf(bench)).toMatchObject({ unmount, fence });
  });

  it('wakes the agent when that time is over', () => {
    const bench = fenced();
    bench.inspect(left);
    const wakeAt = bench.decide().wakeAt ?? 0;
    expect(wakeAt).toBeLessThanOrEqual(bench.now + patienceMs);
  });

  it('is tried again after another 30 s, and not before', () => {
    const bench = fenced();
    watch(bench, patienceMs);
    const action = unmountOf(bench);
    if (action === undefined) throw new Error('nothing is unmounted');
    bench.settle(action, unknown('DEADLINE_EXCEEDED', ''));
    expect(unmountOf(bench)).toBeUndefined();
    watch(bench, patienceMs);
    expect(unmountOf(bench)?.key).not.toBe(action.key);
  });

  it('is not unmounted again when it is gone', () => {
    const bench = fenced();
    watch(bench, patienceMs);
    watch(bench, intervalMs, { running: new Set(['own']) });
    expect(unmountOf(bench)).toBeUndefined();
  });

  it.each([
    ['the kubelet is dead', (bench) => bench.see({ kind: 'KubeletProbed', health: 'dead' })],
    [
      'nobody knows of the kubelet',
      (bench) => bench.see({ kind: 'KubeletProbed', health: 'unknown' }),
    ],
    [
      'the driver does not answer',
      (bench) => bench.see({ kind: 'DriverProbed', word: 'silent', nodeId: undefined }),
    ],
    ['the agent stops', (bench) => bench.see({ kind: 'Stopping' })],
    ['this process did not run', (bench) => bench.see({ kind: 'Suspended', gapMs: 60_000 })],
    [
      'the last look failed',
      (bench) => {
        bench.pass(intervalMs);
        bench.failInspection(unknown('LATE', ''));
      },
    ],
    [
      'the record has changed',
      (bench) => {
        bench.pass(intervalMs);
        bench.renew(fenceText({ pods: ['0a-1b'], epoch: 'e2' }));
      },
    ],
  ] as const satisfies readonly (readonly [string, (bench: Bench) => void])[])(
    'is left alone while %s',
    (_, happens) => {
      const bench = fenced();
      watch(bench, patienceMs);
      expect(unmountOf(bench)).toBeDefined();
      happens(bench);
      expect(unmountOf(bench)).toBeUndefined();
    },
  );

  it('gives a kubelet that has come back the same time', () => {
    const bench = fenced(fence, 'dead');
    watch(bench, 2 * patienceMs);
    expect(unmountOf(bench)).toBeUndefined();
    bench.see({ kind: 'KubeletProbed', health: 'ok' });
    watch(bench, patienceMs - intervalMs);
    expect(unmountOf(bench)).toBeUndefined();
    watch(bench, intervalMs);
    expect(unmountOf(bench)).toBeDefined();
  });

  it('does not count the time before another look showed it gone', () => {
    const bench = fenced();
    watch(bench, patienceMs - intervalMs);
    watch(bench, intervalMs, { running: new Set(['own']) });
    watch(bench, intervalMs);
    expect(unmountOf(bench)).toBeUndefined();
  });
});

describe('the log', () => {
  it('says why a mount is left to the kubelet', () => {
    const bench = fenced(fenceText());
    watch(bench, patienceMs);
    bench.pass(intervalMs);
    const renewal = bench.decide().actions.find((action) => action.kind === 'RenewHeartbeat');
    expect(renewal?.uncleanBecause).toContain('names no pod that is gone');
  });
});

describe('right before the driver is asked', () => {
  function acting(world: {
    readonly fence?: string | undefined;
    readonly answer?: HeartbeatAnswer;
    readonly machine?: Machine;
  }) {
    const asked: Unmount[] = [];
    const { answer = { outcome: done, fence: 'fence' in world ? world.fence : fence } } = world;
    const act = createAct({
      clock: new FakeClock({ now: 5000 }),
      log: silentLog,
      heartbeat: {
        renew: () => Promise.resolve(answer),
        look: () => Promise.resolve(answer),
      },
      inspect: () => Promise.resolve(world.machine ?? left),
      inspectDeadlineMs: intervalMs,
      driver: {
        unmount: (one) => {
          asked.push(one);
          return Promise.resolve(done);
        },
      },
      paths: { driverName: 'block.example.com', sha256Hex: (text) => text },
      post: () => {},
      onLastRenewal: () => {},
    });
    return { asked, act: () => act(unmountVolume(0, { unmount, fence })) };
  }

  it('all is as it was: it is asked', async () => {
    const { asked, act } = acting({});
    expect(await act()).toEqual(done);
    expect(asked).toEqual([unmount]);
  });

  it.each([
    ['the record is another one', { fence: fenceText({ pods: ['0a-1b'], epoch: 'e2' }) }],
    ['the record is closed', { fence: fenceText({ pods: ['0a-1b'], phase: 'Released' }) }],
    ['the record is gone', { fence: undefined }],
    ['the API does not answer', { answer: { outcome: unknown('NO_ANSWER', ''), fence } }],
    ['the API refuses', { answer: { outcome: failed('HTTP_403', ''), fence } }],
    ['a container has begun to run', { machine: { ...left, running: new Set(['0a-1b']) } }],
    ['nothing is mounted any more', { machine: { ...left, mounts: [] } }],
  ])('%s: it is not', async (_, world) => {
    const { asked, act } = acting(world);
    expect((await act()).kind).not.toBe('Done');
    expect(asked).toEqual([]);
  });
});
