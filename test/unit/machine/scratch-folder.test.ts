import { spawn } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../machine/eventually.ts';
import { ScratchFolder, type ScratchOptions } from '../../machine/scratch-folder.ts';

const module = fileURLToPath(new URL('../../machine/scratch-folder.ts', import.meta.url));

describe('ScratchFolder', () => {
  it('is gone when it is disposed of', () => {
    const folder = new ScratchFolder('scratch-test-');
    expect(existsSync(folder.path)).toBe(true);
    folder[Symbol.dispose]();
    expect(existsSync(folder.path)).toBe(false);
  });

  it('is in memory where that is asked for, unless somebody says where such folders belong', () => {
    const saved = process.env['TMPDIR'];
    try {
      delete process.env['TMPDIR'];
      const hasMemory = existsSync('/dev/shm') && freeBytes('/dev/shm') >= 4 * 1024 ** 3;
      expect(parentOf({ inMemory: true })).toBe(hasMemory ? '/dev/shm' : tmpdir());
      expect(parentOf({})).toBe(tmpdir());
      process.env['TMPDIR'] = tmpdir();
      expect(parentOf({ inMemory: true })).toBe(tmpdir());
    } finally {
      if (saved === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = saved;
    }
  });

  it('is gone soon after its process was killed, and keeps no process alive', async () => {
    const script = `import { ScratchFolder } from ${JSON.stringify(module)};
      const folder = new ScratchFolder('scratch-test-');
      process.stdout.write(folder.path);
      if (process.argv[1] === 'stay') setInterval(() => undefined, 1000);`;
    for (const how of ['stay', 'leave']) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, how], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const path = await new Promise<string>((resolve) => {
        child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8')));
      });
      if (how === 'stay') child.kill('SIGKILL');
      await ended;
      await eventually(() => !existsSync(path), { what: `${path} to be gone` });
    }
  });
});

function parentOf(options: ScratchOptions): string {
  using folder = new ScratchFolder('scratch-test-', options);
  return dirname(folder.path);
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
