import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../machine/eventually.ts';
import { ScratchFolder } from '../../machine/scratch-folder.ts';

const module = fileURLToPath(new URL('../../machine/scratch-folder.ts', import.meta.url));

describe('ScratchFolder', () => {
  it('is gone when it is disposed of', () => {
    const folder = new ScratchFolder('scratch-test-');
    expect(existsSync(folder.path)).toBe(true);
    folder[Symbol.dispose]();
    expect(existsSync(folder.path)).toBe(false);
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
