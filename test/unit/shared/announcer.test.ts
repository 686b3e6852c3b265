import { describe, expect, it } from '@jest/globals';
import { Announcer } from '../../../src/shared/announcer.ts';
import type { Notice } from '../../../src/shared/mode.ts';
import { done, failed, type Outcome } from '../../../src/shared/outcome.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';

function notice(key: string, uid = 'u1'): Notice {
  const about = { kind: 'Pod', namespace: 'd', name: 'p', uid } as const;
  return { about, type: 'Warning', reason: 'NotProtected', note: key, key, word: 'retain' };
}

/** Events as the API would keep them: by object and key, so a repeat changes nothing. */
function setUp(answer: (attempt: number) => Outcome | Promise<Outcome> = () => done) {
  const clock = new FakeClock();
  const attempts: string[] = [];
  const written: string[] = [];
  const announcer = new Announcer({
    clock,
    log: silentLog,
    record: async ({ key }) => {
      attempts.push(key);
      const outcome = await answer(attempts.length);
      if (outcome.kind === 'Done') written.push(key);
      return outcome;
    },
  });
  return { clock, attempts, written, announcer };
}

describe('the announcer', () => {
  it('writes a sentence once while it stays true, and anew when it becomes true again', async () => {
    const { clock, written, announcer } = setUp();
    announcer.announce([notice('a'), notice('a')]);
    await clock.advance(0);
    announcer.announce([notice('a'), notice('b')]);
    await clock.advance(60_000);
    expect(written).toEqual(['a', 'b']);
    announcer.announce([notice('b')]);
    await clock.advance(0);
    announcer.announce([notice('a'), notice('b')]);
    await clock.advance(0);
    expect(written).toEqual(['a', 'b', 'a']);
  });

  it('tells the same sentence of two objects', async () => {
    const { clock, written, announcer } = setUp();
    announcer.announce([notice('a', 'u1'), notice('a', 'u2')]);
    await clock.advance(0);
    expect(written).toHaveLength(2);
  });

  it('repeats a failed write while the sentence is true', async () => {
    const { clock, written, attempts, announcer } = setUp((attempt) =>
      attempt < 3 ? failed('HTTP_500', '') : done,
    );
    announcer.announce([notice('a')]);
    await clock.advance(60_000);
    expect(written).toEqual(['a']);
    expect(attempts).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });

  it('gives up a failed write when the sentence is no longer true', async () => {
    const { clock, attempts, announcer } = setUp(() => failed('HTTP_500', ''));
    announcer.announce([notice('a')]);
    await clock.advance(0);
    announcer.announce([]);
    await clock.advance(60_000);
    expect(attempts).toHaveLength(1);
  });

  it('survives a recorder that throws', async () => {
    const { clock, written, announcer } = setUp((attempt) => {
      if (attempt === 1) throw new Error('no');
      return done;
    });
    announcer.announce([notice('a')]);
    await clock.advance(6000);
    expect(written).toEqual(['a']);
  });

  it('makes the first attempt even if the sentence was true for a moment only', async () => {
    const gates: (() => void)[] = [];
    const { clock, written, announcer } = setUp(
      () =>
        new Promise((resolve) => {
          gates.push(() => resolve(done));
        }),
    );
    const many = ['a', 'b', 'c', 'd', 'e', 'f'];
    announcer.announce(many.map((key) => notice(key)));
    announcer.announce([]);
    await clock.advance(0);
    // Only a few at a time; the others wait for their turn.
    expect(gates).toHaveLength(4);
    while (gates.length > 0) {
      gates.shift()?.();
      await clock.advance(0);
    }
    expect(written.sort()).toEqual(many);
  });

  it('writes nothing after stop', async () => {
    const { clock, attempts, announcer } = setUp(() => failed('HTTP_500', ''));
    announcer.announce([notice('a')]);
    await clock.advance(0);
    announcer.stop();
    announcer.announce([notice('b')]);
    await clock.advance(60_000);
    expect(attempts).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });
});
