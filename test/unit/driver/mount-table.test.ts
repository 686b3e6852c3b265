import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MountTable } from '../../driver/mount-table.ts';

const module = pathToFileURL(join(import.meta.dirname, '../../driver/mount-table.ts'));
/** Above the largest that Linux gives (PID_MAX_LIMIT), so of no process. */
const nobody = 4_194_305;

describe('the mount table of a machine', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mount-table-'));
    file = join(folder, 'mountinfo');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps every mount of two drivers that mount at the same time', async () => {
    const mounting = (driver: string): Promise<unknown> => {
      const script = `
        const { MountTable } = await import('${module.href}');
        // Nothing hangs here: on a busy computer one has the table a thousand times in a row.
        const table = new MountTable('${file}', 60_000);
        for (let i = 0; i < 200; i += 1) table.mount('/${driver}/' + i, '${driver}-' + i);`;
      const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e'];
      return promisify(execFile)(process.execPath, [...flags, script]);
    };
    await Promise.all([mounting('one'), mounting('two')]);
    const table = new MountTable(file);
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    const lost = ['one', 'two'].flatMap((driver) =>
      numbers.filter((i) => table.handleAt(`/${driver}/${i}`) !== `${driver}-${i}`),
    );
    expect(lost).toEqual([]);
    expect(readdirSync(folder)).toEqual(['mountinfo']);
  }, 30_000);

  it('is not closed for ever by a driver that was killed while it changed it', () => {
    writeFileSync(`${file}.lock`, String(nobody));
    const table = new MountTable(file);
    table.mount('/path', 'v');
    expect(table.handleAt('/path')).toBe('v');
  });

  it('refuses, and stays as it was, while a driver that lives does not let go of it', () => {
    const table = new MountTable(file);
    table.mount('/path', 'v');
    writeFileSync(`${file}.lock`, String(process.pid));
    expect(() => table.unmount('/path')).toThrow('EEXIST');
    expect(table.handleAt('/path')).toBe('v');
  });
});
