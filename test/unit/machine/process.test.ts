import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManagedProcess, processesOf } from '../../machine/process.ts';
import { until } from '../../until.ts';

let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'process-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function freshRunId(): string {
  count += 1;
  return `process-test-${process.pid}-${count}`;
}

function start(runId: string, script: string): ManagedProcess {
  return new ManagedProcess({
    name: 'child',
    command: process.execPath,
    args: ['-e', script],
    logFile: join(folder, `${runId}.log`),
    runId,
  });
}

const forever = 'setInterval(() => {}, 1000)';
/** Starts a process of its own, then waits: what a power failure must take along. */
const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(forever)}]); ${forever}`;

describe('ManagedProcess', () => {
  it('writes what the child prints into its log and reports the exit', async () => {
    const child = start(freshRunId(), 'console.log("hello"); process.exitCode = 3');
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect([child.alive, child.tail()]).toEqual([false, 'hello']);
  });

  it('kills the child together with what the child started', async () => {
    const runId = freshRunId();
    const child = start(runId, parent);
    await until(() => processesOf(runId).length === 2);
    expect(processesOf(runId)).toHaveLength(2);
    await child.kill();
    await until(() => processesOf(runId).length === 0);
    expect(processesOf(runId)).toEqual([]);
  });

  it('stops a child that ignores SIGTERM', async () => {
    const child = start(
      freshRunId(),
      `process.on('SIGTERM', () => {}); console.log('up'); ${forever}`,
    );
    await until(() => child.tail() === 'up');
    expect(await child.stop(100)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('says so when the command does not exist', async () => {
    const child = new ManagedProcess({
      name: 'nothing',
      command: '/does/not/exist',
      args: [],
      logFile: join(folder, 'nothing.log'),
      runId: freshRunId(),
    });
    expect((await child.exited).code).toBe(127);
    await child.kill();
  });

  it('lets no child outlive a test that crashed', async () => {
    const runId = freshRunId();
    const module = fileURLToPath(new URL('../../machine/process.ts', import.meta.url));
    const script = `
      const { ManagedProcess } = await import(${JSON.stringify(module)});
      new ManagedProcess({ name: 'x', command: process.execPath, args: ['-e', ${JSON.stringify(forever)}],
        logFile: ${JSON.stringify(join(folder, 'crash.log'))}, runId: ${JSON.stringify(runId)} });
      ${forever}`;
    const test = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: 'ignore',
    });
    await until(() => processesOf(runId).length === 1);
    expect(processesOf(runId)).toHaveLength(1);
    test.kill('SIGKILL');
    await until(() => processesOf(runId).length === 0);
    expect(processesOf(runId)).toEqual([]);
  });
});
