import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { compileCache } from '../../machine/compile-cache.ts';
import { eventually } from '../../machine/eventually.ts';
import { ManagedProcess } from '../../machine/process.ts';
import { ScratchFolder } from '../../machine/scratch-folder.ts';

describe('a program that is started again', () => {
  let scratch: ScratchFolder;
  let program: string;

  beforeEach(() => {
    scratch = new ScratchFolder('compiled-');
    program = join(scratch.path, 'program.cjs');
  });
  afterEach(() => scratch[Symbol.dispose]());

  /** What it says, when that is what was waited for. */
  async function says(word: string, mode = 'node'): Promise<void> {
    await using child = new ManagedProcess({
      name: 'program',
      command: process.execPath,
      args: [program, `--mode=${mode}`, 'more'],
      env: compileCache,
      logFile: join(scratch.path, `${word}-${mode}.log`),
      runId: 'compiled-program',
    });
    await eventually(() => child.tail() === word, { what: `the program to say ${word}` });
    await eventually(() => existsSync(`${program}--mode=${mode}.compiled`), {
      what: 'what was compiled of it to be kept',
    });
  }

  function write(word: string): void {
    const text = `console.log(require('node:path').basename(__filename, '.cjs'), '${word}',
      process.argv.slice(2).join(' ')); setInterval(() => 0, 1_000);`;
    writeFileSync(program, text);
  }

  it('does what it did, and keeps what was compiled of each of its modes', async () => {
    write('one');
    await says('program one --mode=node more');
    await says('program one --mode=node more');
    await says('program one --mode=controller more', 'controller');
  }, 60_000);

  it('does what stands there now, though it is as long as what stood there before', async () => {
    write('one');
    await says('program one --mode=node more');
    write('two');
    await says('program two --mode=node more');
  }, 60_000);
});
