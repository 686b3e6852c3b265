import { describe, expect, it } from '@jest/globals';
import type { DriverAnswer, Fact, OwnLook } from '../../../src/node-mode/facts.ts';
import type { HealthStatus, VolumeHealth } from '../../../src/shared/health.ts';
import { Bench, intervalMs } from './bench.ts';

const roundMs = 10_000;

function said(status: HealthStatus, message = ''): DriverAnswer {
  return { kind: 'Told', health: { status, reason: 'R', message } };
}

const late: DriverAnswer = { kind: 'Late' };

/** An agent whose driver tells of volumes, on a node that has these. */
function bench(...handles: string[]): Bench {
  const ready = Bench.running();
  ready.see({ kind: 'VolumesFound', handles, offered: true });
  return ready;
}

function answer(at: Bench, handle: string, word: DriverAnswer): void {
  at.see({ kind: 'VolumeAsked', handle, answer: word });
}

/** What the report says of volumes when the next one is due. */
function told(at: Bench) {
  at.pass(intervalMs);
  const report = at.report();
  return {
    unhealthy: report?.unhealthy.map(({ handle, status }) => `${handle} ${status}`),
    volumes: report?.volumes,
    storage: report?.storage,
  };
}

describe('volumes in the report', () => {
  it('are counted, and named only if something is wrong', () => {
    const at = bench('a', 'b', 'c', 'd', 'e', 'f');
    answer(at, 'f', said('Abnormal'));
    answer(at, 'a', said('Inaccessible'));
    answer(at, 'b', said('Healthy'));
    answer(at, 'c', said('Degraded'));
    answer(at, 'd', said('DataLoss'));
    expect(told(at)).toMatchObject({
      unhealthy: ['a Inaccessible', 'c Degraded', 'd DataLoss', 'f Abnormal'],
      volumes: { good: 2, bad: 2, unknown: 2 },
    });
  });

  it('are not mentioned where nobody looks at them', () => {
    const at = Bench.running();
    at.see({ kind: 'VolumesFound', handles: ['a'], offered: false });
    expect(told(at).volumes).toBeUndefined();
  });

  it('go with the volume', () => {
    const at = bench('a', 'b');
    answer(at, 'a', said('Inaccessible'));
    at.see({ kind: 'VolumesFound', handles: ['b'], offered: true });
    answer(at, 'a', said('Inaccessible'));
    expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 0, bad: 0, unknown: 1 } });
  });

  it('stand there as the driver said it last', () => {
    const at = bench('a');
    answer(at, 'a', said('Inaccessible'));
    answer(at, 'a', said('Healthy'));
    expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 1, bad: 0, unknown: 0 } });
  });
});

describe('no answer', () => {
  it.each(['ABORTED', 'INTERNAL', 'NOT_FOUND', 'UNAVAILABLE'])(
    '%s is unknown: neither bad nor a recovery',
    (code) => {
      const at = bench('a', 'b');
      answer(at, 'a', { kind: 'Refused', code });
      answer(at, 'b', said('Inaccessible'));
      answer(at, 'b', { kind: 'Refused', code });
      expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 0, bad: 0, unknown: 2 } });
    },
  );

  it('three times in a row, while the driver answers about others, is a hung volume', () => {
    const at = bench('a', 'b');
    for (const expected of [[], [], ['a Hung']]) {
      answer(at, 'b', said('Healthy'));
      at.pass(roundMs);
      answer(at, 'a', late);
      expect(told(at).unhealthy).toEqual(expected);
    }
    answer(at, 'a', said('Healthy'));
    expect(told(at).unhealthy).toEqual([]);
  });

  it('is counted anew after any answer', () => {
    const at = bench('a', 'b');
    for (const word of [late, late, said('Healthy'), late, late]) {
      answer(at, 'b', said('Healthy'));
      answer(at, 'a', word);
    }
    expect(told(at).unhealthy).toEqual([]);
  });

  it('about any volume is the hang of a driver, not of volumes', () => {
    const at = bench('a', 'b');
    answer(at, 'b', said('Healthy'));
    for (let round = 0; round < 5; round += 1) {
      at.pass(roundMs);
      answer(at, 'a', late);
      answer(at, 'b', late);
    }
    expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 0, bad: 0, unknown: 2 } });
  });

  it('from our own end of the socket does not prove that the driver answers', () => {
    const at = bench('a', 'b');
    for (let round = 0; round < 5; round += 1) {
      at.pass(roundMs);
      answer(at, 'a', late);
      at.pass(1);
      answer(at, 'b', { kind: 'Refused', code: 'UNAVAILABLE' });
    }
    expect(told(at).unhealthy).toEqual([]);
  });

  it('about a hung volume is unknown again when the driver falls silent altogether', () => {
    const at = bench('a', 'b');
    for (let round = 0; round < 3; round += 1) {
      answer(at, 'b', said('Healthy'));
      at.pass(roundMs);
      answer(at, 'a', late);
    }
    expect(told(at).unhealthy).toEqual(['a Hung']);
    at.pass(roundMs);
    answer(at, 'a', late);
    answer(at, 'b', late);
    at.pass(roundMs);
    answer(at, 'a', late);
    expect(told(at).unhealthy).toEqual([]);
  });
});

describe('everything is unknown', () => {
  const causes: readonly (readonly [string, Fact])[] = [
    [
      'while the driver does not answer',
      { kind: 'DriverProbed', word: 'silent', nodeId: undefined },
    ],
    [
      'while nobody is behind the socket',
      { kind: 'DriverProbed', word: 'refused', nodeId: undefined },
    ],
    ['after we did not run for a while', { kind: 'Suspended', gapMs: 60_000 }],
    ['where the kubelet directory cannot be read', { kind: 'VolumesUnread' }],
    [
      'where the driver does not say what it offers',
      { kind: 'VolumesFound', handles: ['a', 'b'], offered: undefined },
    ],
  ];

  it.each(causes)('%s', (_, fact) => {
    const at = bench('a', 'b');
    answer(at, 'a', said('Inaccessible'));
    answer(at, 'b', said('Healthy'));
    at.see({ kind: 'StorageAsked', storage: { status: 'unreachable', reason: '', message: '' } });
    at.see(fact);
    expect(told(at)).toEqual({
      unhealthy: [],
      volumes: { good: 0, bad: 0, unknown: 2 },
      storage: undefined,
    });
  });

  it('and what a driver still says while it counts as silent is not believed', () => {
    const at = bench('a');
    at.see({ kind: 'DriverProbed', word: 'silent', nodeId: undefined });
    answer(at, 'a', said('Inaccessible'));
    at.see({ kind: 'StorageAsked', storage: { status: 'unreachable', reason: '', message: '' } });
    expect(told(at)).toMatchObject({ unhealthy: [], storage: undefined });
  });
});

describe('the pace of reports', () => {
  it('is quick for another word, and unhurried for counts and texts', () => {
    const at = bench('a', 'b');
    answer(at, 'a', said('Abnormal', 'since 1 s'));
    at.pass(500);
    expect(at.wanted()).toEqual(['RenewHeartbeat']);
    at.renew();
    answer(at, 'a', said('Abnormal', 'since 2 s'));
    answer(at, 'b', said('Healthy'));
    at.pass(500);
    expect(at.wanted()).toEqual([]);
    answer(at, 'b', said('Abnormal'));
    expect(at.wanted()).toEqual(['RenewHeartbeat']);
  });

  it('brings texts that change all the time up to date every 30 s', () => {
    const at = bench('a');
    const texts = new Set<string | undefined>();
    for (let second = 0; second < 90; second += 2) {
      answer(at, 'a', said('Abnormal', `not heard of for ${second} s`));
      texts.add(at.next()?.unhealthy[0]?.message);
      at.renew();
    }
    expect(texts.size).toBeGreaterThan(2);
    expect(texts.size).toBeLessThan(6);
  });
});

describe("the node's way to the storage", () => {
  it('is reported as the driver says it, and not without its word', () => {
    const at = bench();
    at.see({
      kind: 'StorageAsked',
      storage: { status: 'unreachable', reason: 'NoPath', message: '' },
    });
    expect(told(at).storage?.status).toBe('unreachable');
    at.see({ kind: 'StorageAsked', storage: undefined });
    expect(told(at).storage).toBeUndefined();
  });
});

const healthy: VolumeHealth = { status: 'Healthy', reason: '', message: '' };
const broken: VolumeHealth = { status: 'Inaccessible', reason: 'EIO', message: '' };

function look(at: Bench, handle: string, seen: OwnLook): void {
  at.see({ kind: 'VolumeLookedAt', handle, look: seen });
}

describe('what we see ourselves', () => {
  const cases: readonly (readonly [DriverAnswer, VolumeHealth, readonly string[]])[] = [
    [said('Healthy'), broken, ['a Inaccessible']],
    [said('Inaccessible'), healthy, ['a Inaccessible']],
    [said('Abnormal'), { status: 'Unknown', reason: 'EACCES', message: '' }, ['a Abnormal']],
    [said('Abnormal'), { status: 'Hung', reason: 'NoAnswer', message: '' }, ['a Hung']],
  ];

  it.each(cases)('%j beside %j', (driver, health, unhealthy) => {
    const at = bench('a');
    answer(at, 'a', driver);
    look(at, 'a', { kind: 'Seen', health });
    expect(told(at).unhealthy).toEqual(unhealthy);
  });

  it('counts where the driver tells nothing', () => {
    const at = Bench.running(true);
    at.see({ kind: 'VolumesFound', handles: ['a', 'b'], offered: false });
    look(at, 'a', { kind: 'Seen', health: healthy });
    look(at, 'b', { kind: 'Seen', health: broken });
    expect(told(at)).toMatchObject({
      unhealthy: ['b Inaccessible'],
      volumes: { good: 1, bad: 1, unknown: 0 },
    });
  });

  it('hangs only when two looks in a row did not come back', () => {
    const at = Bench.running(true);
    at.see({ kind: 'VolumesFound', handles: ['a'], offered: false });
    look(at, 'a', { kind: 'Late' });
    expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 0, bad: 0, unknown: 1 } });
    look(at, 'a', { kind: 'Seen', health: healthy });
    look(at, 'a', { kind: 'Late' });
    expect(told(at).unhealthy).toEqual([]);
    look(at, 'a', { kind: 'Late' });
    expect(told(at).unhealthy).toEqual(['a Hung']);
    look(at, 'a', { kind: 'Seen', health: healthy });
    expect(told(at).unhealthy).toEqual([]);
  });

  it('holds while the driver is silent: the mounts are not the driver', () => {
    const at = Bench.running(true);
    at.see({ kind: 'VolumesFound', handles: ['a'], offered: true });
    look(at, 'a', { kind: 'Seen', health: broken });
    at.see({ kind: 'DriverProbed', word: 'refused', nodeId: undefined });
    expect(told(at).unhealthy).toEqual(['a Inaccessible']);
  });

  it('speaks for a volume about which the driver alone keeps silent', () => {
    const at = Bench.running(true);
    at.see({ kind: 'VolumesFound', handles: ['a', 'b'], offered: true });
    for (let round = 0; round < 4; round += 1) {
      answer(at, 'b', said('Healthy'));
      look(at, 'a', { kind: 'Seen', health: healthy });
      answer(at, 'a', late);
    }
    expect(told(at).unhealthy).toEqual([]);
  });

  it.each<readonly [string, Fact]>([
    ['when the mount table cannot be read', { kind: 'OwnLooksFailed' }],
    ['after we did not run for a while', { kind: 'Suspended', gapMs: 60_000 }],
  ])('is forgotten %s', (_, fact) => {
    const at = Bench.running(true);
    at.see({ kind: 'VolumesFound', handles: ['a'], offered: false });
    look(at, 'a', { kind: 'Seen', health: broken });
    at.see(fact);
    expect(told(at)).toMatchObject({ unhealthy: [], volumes: { good: 0, bad: 0, unknown: 1 } });
  });
});
