import { describe, expect, it } from '@jest/globals';
import type { Decision, KeyedAction, Mode, Notice } from '../../../src/shared/mode.ts';
import { done, failed, type Outcome } from '../../../src/shared/outcome.ts';
import { Reconciler, type ReconcilerOptions } from '../../../src/shared/reconciler.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';

/** A mode that wants what it is told to want, and remembers all it saw. */
interface State {
  seen: { readonly fact: Fact; readonly at: number }[];
  decidedAt: number[];
  wanted: Map<string, KeyedAction>;
  notices: readonly Notice[];
  wakeAt: number | undefined;
}
type Fact =
  | { readonly kind: 'Want'; readonly key: string }
  | { readonly kind: 'Sight'; readonly key: string }
  | { readonly kind: 'Heard' }
  | { readonly kind: 'Break' }
  | { readonly kind: 'Started'; readonly key: string }
  | { readonly kind: 'Settled'; readonly key: string; readonly outcome: Outcome }
  | { readonly kind: 'Suspended'; readonly gapMs: number };

const mode: Mode<State, Fact, KeyedAction> = {
  observe(state, fact, now) {
    state.seen.push({ fact, at: now });
    if (fact.kind === 'Break') throw new Error('broken core');
    if (fact.kind === 'Sight') state.wanted.delete(fact.key);
    if (fact.kind === 'Want') {
      state.wanted.set(fact.key, { key: fact.key, scope: 'n', exclusive: false });
    }
  },
  decide(state, now): Decision<KeyedAction> {
    state.decidedAt.push(now);
    const { notices } = state;
    const wakeAt = state.wakeAt !== undefined && state.wakeAt > now ? state.wakeAt : undefined;
    return { actions: [...state.wanted.values()], notices, wakeAt };
  },
  started: ({ key }) => (key === 'telling' ? { kind: 'Started', key } : undefined),
  settled: ({ key }, outcome) => ({ kind: 'Settled', key, outcome }),
  suspended: (gapMs) => ({ kind: 'Suspended', gapMs }),
};

function setUp(overrides: Partial<ReconcilerOptions<State, Fact, KeyedAction>> = {}) {
  const clock = new FakeClock({ now: 1_000_000 });
  const state: State = {
    seen: [],
    decidedAt: [],
    wanted: new Map(),
    notices: [],
    wakeAt: undefined,
  };
  const acted: string[] = [];
  const pending = new Map<string, (outcome: Outcome) => void>();
  const errors: unknown[] = [];
  const announced: (readonly Notice[])[] = [];
  const reconciler = new Reconciler({
    mode,
    state,
    clock,
    log: silentLog,
    act: ({ key }) => {
      acted.push(key);
      return new Promise<Outcome>((resolve) => {
        pending.set(key, resolve);
      });
    },
    announce: (notices) => void announced.push(notices),
    fatal: (error) => void errors.push(error),
    ...overrides,
  });
  const kinds = (): string[] => state.seen.map(({ fact }) => fact.kind);
  return { clock, state, acted, pending, errors, announced, reconciler, kinds };
}

describe('the loop', () => {
  it('acts on a fact at once when idle, and returns the outcome as a fact', async () => {
    const { clock, state, acted, pending, reconciler } = setUp();
    reconciler.start();
    await clock.advance(1000);
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(0);
    expect(acted).toEqual(['a']);
    const outcome = failed('HTTP_409', '');
    pending.get('a')?.(outcome);
    await clock.advance(100);
    expect(state.seen.at(-1)?.fact).toEqual({ kind: 'Settled', key: 'a', outcome });
  });

  it('folds what an action tells by its start before it is decided again', async () => {
    const { clock, state, acted, reconciler } = setUp();
    reconciler.start();
    reconciler.post({ kind: 'Want', key: 'telling' });
    reconciler.post({ kind: 'Want', key: 'silent' });
    await clock.advance(0);
    expect(acted).toEqual(['telling', 'silent']);
    expect(state.decidedAt).toHaveLength(1);
    const told = state.seen.map(({ fact }) => fact).filter(({ kind }) => kind === 'Started');
    expect(told).toEqual([{ kind: 'Started', key: 'telling' }]);
  });

  it('waits for start', async () => {
    const { clock, acted, reconciler } = setUp();
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(1000);
    expect(acted).toEqual([]);
    reconciler.start();
    await clock.advance(0);
    expect(acted).toEqual(['a']);
  });

  it('decides at most ten times a second under a stream of facts, and loses none', async () => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    for (let sent = 0; sent < 1000; sent += 1) {
      reconciler.post({ kind: 'Heard' });
      await clock.advance(1);
    }
    await clock.advance(200);
    expect(state.seen).toHaveLength(1000);
    expect(state.decidedAt.length).toBeLessThanOrEqual(12);
    for (const [index, at] of state.decidedAt.entries()) {
      if (index > 0)
        expect(at - (state.decidedAt[index - 1] as number)).toBeGreaterThanOrEqual(100);
    }
  });

  it('stamps a fact with the moment at which it came, not at which it was folded', async () => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    await clock.advance(0);
    await clock.advance(30);
    reconciler.post({ kind: 'Heard' });
    await clock.advance(70);
    expect(state.seen).toEqual([{ fact: { kind: 'Heard' }, at: 1_000_030 }]);
  });

  it('decides nothing while nothing happens, and wakes when silence alone is news', async () => {
    const { clock, state, reconciler } = setUp();
    state.wakeAt = 1_007_777;
    reconciler.start();
    await clock.advance(60_000);
    expect(state.decidedAt).toEqual([1_000_000, 1_007_777]);
  });

  it('does not let a fact wait for a later wake-up', async () => {
    const { clock, state, acted, reconciler } = setUp();
    state.wakeAt = 1_030_000;
    reconciler.start();
    await clock.advance(1000);
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(0);
    expect(acted).toEqual(['a']);
    await clock.advance(60_000);
    expect(state.decidedAt).toContain(1_030_000);
  });

  it('wakes for the end of a back-off, and stops trying when it is not wanted', async () => {
    const attempts: number[] = [];
    const { clock, reconciler } = setUp({
      limits: { initialBackoffMs: 400, maxBackoffMs: 400 },
      act: () => {
        attempts.push(clock.now());
        return Promise.resolve(failed('HTTP_500', ''));
      },
    });
    reconciler.start();
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(2000);
    expect(attempts.length).toBeGreaterThanOrEqual(4);
    expect(attempts.length).toBeLessThanOrEqual(7);
    reconciler.post({ kind: 'Sight', key: 'a' });
    await clock.advance(500);
    const before = attempts.length;
    await clock.advance(5000);
    expect(attempts).toHaveLength(before);
  });

  it('announces the complete set after each decision', async () => {
    const { clock, state, announced, reconciler } = setUp();
    const about = { kind: 'Pod', namespace: 'd', name: 'p', uid: 'u' } as const;
    state.notices = [{ about, type: 'Normal', reason: 'R', note: 'n', key: 'k', word: 'w' }];
    reconciler.start();
    await clock.advance(0);
    expect(announced).toEqual([state.notices]);
  });
});

describe('when we ourselves did not run', () => {
  const suspended = (gapMs: number): Fact => ({ kind: 'Suspended', gapMs });

  it('says so before it folds what arrived meanwhile', async () => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    await clock.advance(1000);
    clock.freeze(30_000);
    // The sockets were read first when the process came back, before any timer fired.
    reconciler.post({ kind: 'Heard' });
    await clock.advance(0);
    expect(state.seen.map(({ fact }) => fact)).toEqual([suspended(30_000), { kind: 'Heard' }]);
  });

  it('never stamps a fact with a moment before the gap once the gap is known', async () => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    await clock.advance(1000);
    reconciler.post({ kind: 'Heard' });
    clock.freeze(30_000);
    await clock.advance(0);
    expect(state.seen).toEqual([
      { fact: suspended(30_000), at: 1_031_000 },
      { fact: { kind: 'Heard' }, at: 1_031_000 },
    ]);
  });

  it('notices without any fact, and decides anew', async () => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    await clock.advance(10_000);
    clock.freeze(2500);
    await clock.advance(600);
    expect(state.seen).toHaveLength(1);
    expect(state.decidedAt).toHaveLength(2);
  });

  it.each([60_000, -60_000])('notices a wall clock that moved by %i ms', async (byMs) => {
    const { clock, state, reconciler } = setUp();
    reconciler.start();
    await clock.advance(1000);
    clock.stepWallTime(byMs);
    await clock.advance(600);
    const gaps = state.seen.map(({ fact }) => (fact.kind === 'Suspended' ? fact.gapMs : 0));
    expect(gaps).toHaveLength(1);
    expect(gaps[0]).toBeGreaterThanOrEqual(60_000);
  });

  it('does not cry wolf: idle, busy, or late by less than two seconds', async () => {
    const lags: number[] = [];
    const { clock, kinds, reconciler } = setUp({ onLag: (ms) => void lags.push(ms) });
    reconciler.start();
    await clock.advance(60_000);
    for (let round = 0; round < 20; round += 1) {
      clock.freeze(1400);
      clock.stepWallTime(300);
      reconciler.post({ kind: 'Heard' });
      await clock.advance(700);
    }
    expect(kinds()).toEqual(Array.from({ length: 20 }, () => 'Heard'));
    expect(Math.max(...lags)).toBeGreaterThanOrEqual(900);
  });
});

describe('when something throws', () => {
  it('counts an action that threw as Unknown', async () => {
    const { clock, state, errors, reconciler } = setUp({
      act: () => {
        throw new Error('before any promise');
      },
    });
    reconciler.start();
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(110);
    const settled = state.seen.map(({ fact }) => fact).find(({ kind }) => kind === 'Settled');
    expect(settled).toEqual({
      kind: 'Settled',
      key: 'a',
      outcome: { kind: 'Unknown', code: 'EXCEPTION', detail: 'before any promise' },
    });
    expect(errors).toEqual([]);
  });

  it('stops for good when the core throws, and says so once', async () => {
    const { clock, state, errors, reconciler } = setUp();
    reconciler.start();
    reconciler.post({ kind: 'Break' });
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(1000);
    reconciler.post({ kind: 'Heard' });
    await clock.advance(1000);
    expect(errors.map(String)).toEqual(['Error: broken core']);
    expect(state.decidedAt).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('stop', () => {
  it('starts nothing new, waits for what runs and leaves no timer behind', async () => {
    const { clock, acted, pending, reconciler } = setUp();
    reconciler.start();
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(0);
    let stopped = false;
    const stopping = reconciler.stop().then(() => {
      stopped = true;
    });
    reconciler.post({ kind: 'Want', key: 'b' });
    await clock.advance(1000);
    expect(stopped).toBe(false);
    pending.get('a')?.(done);
    await clock.advance(0);
    await stopping;
    expect(acted).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });

  it('does not wait for ever', async () => {
    const { clock, reconciler } = setUp({ drainMs: 3000 });
    reconciler.start();
    reconciler.post({ kind: 'Want', key: 'a' });
    await clock.advance(0);
    const stopping = reconciler.stop();
    await clock.advance(3000);
    await stopping;
    expect(clock.pending).toBe(0);
  });

  it('is immediate when nothing runs', async () => {
    const { clock, reconciler } = setUp();
    reconciler.start();
    await clock.advance(1000);
    await reconciler.stop();
    expect(clock.pending).toBe(0);
  });
});
