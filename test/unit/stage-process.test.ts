import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { runProcess, type StageProcess } from '../stage-process.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stage-process-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function run(script: string, more: Partial<StageProcess> = {}) {
  return runProcess({
    command: ['sh', '-c', script],
    cwd: folder,
    env: process.env,
    outputFile: join(folder, 'log'),
    timeoutMs: 30_000,
    isPatient: false,
    signal: new AbortController().signal,
    ...more,
  });
}

/** Begins a process that nobody waits for, and writes down which one it is. */
const beginsAnother = 'sleep 60 & echo $! > other';

async function otherIsGone(): Promise<void> {
  const pid = Number(readFileSync(join(folder, 'other'), 'utf8'));
  const isGone = (): boolean => {
    const stat = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    return stat === '' || / Z /.test(stat);
  };
  await eventually(isGone, { what: `process ${pid} to be gone` });
}

describe('a command of a stage', () => {
  it('tells all that it printed, in its order, and how it ended', async () => {
    expect(await run('echo one; echo two >&2; echo three')).toMatchObject({
      succeeded: true,
      output: 'one\ntwo\nthree\n',
    });
    expect(await run('exit 3')).toMatchObject({ succeeded: false });
  });

  it('has failed when it cannot be started', async () => {
    const { succeeded, output } = await run('', { command: ['no-such-program'] });
    expect(succeeded).toBe(false);
    expect(output).toContain('no-such-program');
  });

  // However long that takes where others compute, too.
  it('tells what it cost of the processor, with all that it began and waited for', async () => {
    const busy = 'while (process.cpuUsage().user < 400_000);';
    const { processorSeconds } = await run(`sh -c 'node -e "${busy}"; true'; true`);
    const isCounted = process.platform === 'linux';
    expect(processorSeconds ?? 0).toBeGreaterThanOrEqual(isCounted ? 0.4 : 0);
    expect((await run('true')).processorSeconds ?? 0).toBeLessThan(0.4);
  }, 60_000);

  it('leaves nothing behind that it began', async () => {
    expect((await run(beginsAnother)).succeeded).toBe(true);
    await otherIsGone();
  });

  it('that hangs is ended with all that it began, and has failed whatever it says', async () => {
    const script = `${beginsAnother}; trap 'exit 0' TERM; wait`;
    const { succeeded, output } = await run(script, { timeoutMs: 500 });
    expect(succeeded).toBe(false);
    expect(output).toContain('hung');
    await otherIsGone();
  });

  it('ends when the whole run is interrupted, and cleans up before', async () => {
    const stop = new AbortController();
    const script = `trap 'echo cleaned; exit 0' TERM; ${beginsAnother}; touch begun; wait`;
    const ended = run(script, { signal: stop.signal });
    await eventually(() => existsSync(join(folder, 'begun')), { what: 'it to begin' });
    stop.abort();
    expect(await ended).toMatchObject({ succeeded: false });
    expect((await ended).output).toContain('cleaned');
    await otherIsGone();
  });

  it('is not run once the whole run is interrupted', async () => {
    const { succeeded } = await run('sleep 60', { signal: AbortSignal.abort() });
    expect(succeeded).toBe(false);
  });

  // It gets what others leave, which may be nothing for a while.
  it('that is patient runs at the lowest priority', async () => {
    const { output } = await run('chrt --pid $$ 2>&1 || nice', { isPatient: true });
    expect(output).toMatch(/SCHED_IDLE|19/);
  }, 60_000);

  it('that is patient lets the groups of all other sessions go first, where there are such', async () => {
    const group = 'cat /proc/self/autogroup 2> /dev/null || echo none';
    const { output } = await run(group, { isPatient: true });
    expect(output).toMatch(/ nice 19$|^none$/m);
  }, 60_000);
});
