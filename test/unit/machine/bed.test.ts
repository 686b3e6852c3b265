import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { startBed } from '../../machine/bed.ts';
import { eventually } from '../../machine/eventually.ts';
import { processesOf } from '../../machine/process.ts';

const module = fileURLToPath(new URL('../../machine/bed.ts', import.meta.url));

/** A test run that stands with a booted machine and then waits for ever. */
const testRun = `
  const { startBed } = await import(${JSON.stringify(module)});
  const bed = await startBed({ bundle: undefined, machines: ['worker-a'], replicas: 1 });
  await bed.bootAll();
  console.log(JSON.stringify({ runId: bed.runId, folder: bed.folder }));
  setInterval(() => {}, 1000);
`;

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
});

describe('a bed', () => {
  it('leaves nothing behind when the test that stands on it is killed', async () => {
    child = spawn(process.execPath, ['--input-type=module', '-e', testRun], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.stdout === null) throw new Error('no pipe');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { runId, folder } = JSON.parse(line) as { runId: string; folder: string };
    // Array, the attacher's driver, a replica's plugin; and the machine's kubelet, plugin, runtime.
    expect(processesOf(runId)).toHaveLength(6);
    expect(existsSync(folder)).toBe(true);
    child.kill('SIGKILL');
    await eventually(() => processesOf(runId).length === 0, { what: 'all processes to be gone' });
    await eventually(() => !existsSync(folder), { what: 'the folder to be gone' });
  }, 40_000);

  it('says which of its machines does not come up, and what has died there', async () => {
    await using bed = await startBed({
      bundle: undefined,
      machines: ['worker-a', 'worker-b'],
      replicas: 0,
      kubeletFlags: ['--no-such-flag'],
    });
    await expect(bed.bootAll(3_000)).rejects.toThrow(
      /worker-a Ready: false, .*worker-a-kubelet has ended: [^]*no-such-flag[^]*worker-b-kubelet/,
    );
  }, 40_000);
});
