import { describe, expect, it } from '@jest/globals';
import { LookPool } from '../../../src/node-mode/look-pool.ts';
import { type HelperEars, helperStarter } from '../../../src/node-mode/look-process.ts';
import type { LookQuestion } from '../../../src/node-mode/own-looks.ts';
import { systemClock } from '../../../src/shared/system-clock.ts';
import { FakeClock, flushPromises } from '../../fake-clock.ts';

const deadlineMs = 5000;

function question(path: string): LookQuestion {
  return { path, isBlock: false, device: '', accessTimes: 'never', nowMs: 0, sysDir: '/sys' };
}

/** Helpers that do as the path says: `hang`, `die`, `lie`, or answer. */
function setUp(options: { readonly unkillable?: boolean; readonly dumb?: boolean } = {}) {
  const clock = new FakeClock();
  const helpers: { ears: HelperEars; alive: boolean }[] = [];
  const pool = new LookPool({
    clock,
    deadlineMs,
    start: (ears) => {
      const helper = { ears, alive: true };
      helpers.push(helper);
      const end = (): void => {
        helper.alive = false;
        queueMicrotask(() => ears.end());
      };
      if (options.dumb !== true) queueMicrotask(() => ears.line('ready'));
      return {
        send: (line) => {
          const { id, path } = JSON.parse(line) as { id: number; path: string };
          if (path === 'die') end();
          else if (path === 'lie') ears.line('{"id":');
          else if (path !== 'hang') ears.line(JSON.stringify({ id, device: 'ok' }));
        },
        kill: () => {
          if (options.unkillable !== true) end();
        },
      };
    },
  });
  const alive = (): number => helpers.filter((helper) => helper.alive).length;
  /** Looks, and lets the time pass that it may take. */
  const look = async (volume: string, path = volume): Promise<string> => {
    const seen = pool.look(volume, question(path));
    await clock.advance(deadlineMs);
    return (await seen).kind;
  };
  return { clock, pool, helpers, alive, look };
}

describe('looks', () => {
  it('go through one process while it answers', async () => {
    const { pool, helpers, look, clock } = setUp();
    expect([await look('a'), await look('b'), await look('c')]).toEqual(Array(3).fill('Answered'));
    expect(helpers).toHaveLength(1);
    pool.stop();
    await flushPromises();
    expect(clock.pending).toBe(0);
  });

  it('that do not come back are late, and the next one has another process', async () => {
    const { helpers, alive, look } = setUp();
    expect(await look('a', 'hang')).toBe('Late');
    expect(alive()).toBe(0);
    expect(await look('b')).toBe('Answered');
    expect(await look('a')).toBe('Answered');
    expect(helpers).toHaveLength(2);
  });

  it.each(['die', 'lie'])(
    'of which the helper should %s say nothing, and do not end the looks',
    async (path) => {
      const { alive, look } = setUp();
      expect(await look('a', path)).toBe('Unable');
      expect(alive()).toBe(0);
      expect(await look('a')).toBe('Answered');
    },
  );

  it('are impossible while no helper comes up, which takes no more than its time', async () => {
    const { clock, pool, alive } = setUp({ dumb: true });
    const seen = pool.look('a', question('a'));
    await clock.advance(10_000);
    expect((await seen).kind).toBe('Unable');
    expect(alive()).toBe(0);
  });

  it('are impossible without memory for a process', async () => {
    const pool = new LookPool({
      clock: new FakeClock(),
      deadlineMs,
      start: () => {
        throw new Error('ENOMEM');
      },
    });
    expect(await pool.look('a', question('a'))).toEqual({ kind: 'Unable' });
  });
});

describe('helpers that cannot be killed', () => {
  it('are few, whatever hangs, and are left behind', async () => {
    const { pool, helpers, look } = setUp({ unkillable: true });
    for (let volume = 0; volume < 20; volume += 1) await look(`v${volume}`, 'hang');
    expect(helpers).toHaveLength(4);
    expect(pool.stuck).toBe(4);
    expect(await look('other')).toBe('Unable');
  });

  it('stand for their volume: it is late without another process', async () => {
    const { helpers, look } = setUp({ unkillable: true });
    await look('a', 'hang');
    expect(await look('a')).toBe('Late');
    expect(helpers).toHaveLength(1);
  });

  it('make room when they end after all', async () => {
    const { pool, helpers, look } = setUp({ unkillable: true });
    await look('a', 'hang');
    helpers[0]?.ears.end();
    expect(pool.stuck).toBe(0);
    expect(await look('a')).toBe('Answered');
  });
});

describe('a real helper', () => {
  it('is this program, looks, and ends when it is told to', async () => {
    const start = helperStarter([process.execPath, 'src/main.ts']);
    const ended = Promise.withResolvers<void>();
    const pool = new LookPool({
      clock: systemClock,
      deadlineMs,
      start: (ears) =>
        start({
          line: (text) => ears.line(text),
          end: () => {
            ears.end();
            ended.resolve();
          },
        }),
    });
    const result = await pool.look('a', question(process.cwd()));
    expect(result).toEqual({ kind: 'Answered', answer: { id: 1, device: 'unknown' } });
    pool.stop();
    await ended.promise;
  });

  it('that cannot be started is none', async () => {
    const start = helperStarter(['/no/such/program']);
    const pool = new LookPool({ clock: systemClock, deadlineMs, start });
    expect(await pool.look('a', question('/'))).toEqual({ kind: 'Unable' });
  });
});
