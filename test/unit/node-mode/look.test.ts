import { describe, expect, it } from '@jest/globals';
import { Look } from '../../../src/node-mode/look.ts';
import { Poller } from '../../../src/node-mode/poller.ts';
import { FakeClock } from '../../fake-clock.ts';

/** Work whose end the test decides. */
function setUp(deadlineMs = 1000) {
  const clock = new FakeClock();
  const begun: {
    end: (result: string) => void;
    fail: (error: Error) => void;
    signal: AbortSignal;
  }[] = [];
  const look = new Look<string>({
    clock,
    deadlineMs,
    work: (signal) =>
      new Promise<string>((end, fail) => {
        begun.push({ end, fail, signal });
      }),
  });
  return { clock, begun, look };
}

describe('a look', () => {
  it('tells what it saw', async () => {
    const { begun, look, clock } = setUp();
    const seen = look.take();
    begun[0]?.end('x');
    expect(await seen).toEqual({ kind: 'Answered', result: 'x' });
    expect(clock.pending).toBe(0);
  });

  it('tells why it saw nothing', async () => {
    const { begun, look } = setUp();
    const seen = look.take();
    const error = new Error('EIO');
    begun[0]?.fail(error);
    expect(await seen).toEqual({ kind: 'Failed', error });
  });

  it('survives work that throws before it begins', async () => {
    const work = (): Promise<string> => {
      throw new Error('at once');
    };
    const look = new Look({ clock: new FakeClock(), deadlineMs: 1000, work });
    expect(await look.take()).toMatchObject({ kind: 'Failed' });
  });

  it('ends at its deadline, and lets the work know', async () => {
    const { clock, begun, look } = setUp();
    const seen = look.take();
    await clock.advance(1000);
    expect(await seen).toEqual({ kind: 'Late' });
    expect(begun[0]?.signal.aborted).toBe(true);
  });

  it('is not repeated beside one that still hangs, and is afterwards', async () => {
    const { clock, begun, look } = setUp();
    const first = look.take();
    await clock.advance(1000);
    await first;
    expect(await look.take()).toEqual({ kind: 'Late' });
    expect(begun).toHaveLength(1);
    begun[0]?.end('too late');
    await clock.advance(0);
    const later = look.take();
    begun[1]?.end('in time');
    expect(await later).toEqual({ kind: 'Answered', result: 'in time' });
  });
});

describe('a poller', () => {
  function poll(random: () => number) {
    const parts = setUp();
    const told: string[] = [];
    const poller = new Poller({
      clock: parts.clock,
      random,
      everyMs: 4000,
      look: parts.look,
      tell: ({ kind }) => void told.push(`${kind} ${parts.clock.now()}`),
    });
    return { ...parts, poller, told };
  }

  it('looks at once, and then a tenth around its interval', async () => {
    const { clock, begun, poller, told } = poll(() => 0);
    poller.start();
    begun[0]?.end('x');
    await clock.advance(3599);
    expect(told).toEqual(['Answered 0']);
    await clock.advance(1);
    begun[1]?.end('x');
    await clock.advance(0);
    expect(told).toEqual(['Answered 0', 'Answered 3600']);
  });

  it('tells every round that something hangs, without adding to it', async () => {
    const { clock, begun, poller, told } = poll(() => 0.5);
    poller.start();
    await clock.advance(9000);
    expect(told).toEqual(['Late 1000', 'Late 5000', 'Late 9000']);
    expect(begun).toHaveLength(1);
  });

  it('tells nothing after it was stopped', async () => {
    const { clock, begun, poller, told } = poll(() => 0.5);
    poller.start();
    poller.stop();
    begun[0]?.end('x');
    await clock.advance(60_000);
    expect(told).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
