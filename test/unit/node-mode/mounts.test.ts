import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseMountinfo, readMounts } from '../../../src/node-mode/mounts.ts';

const root = '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw';

function escape(path: string): string {
  return path.replace(
    /[ \t\n\\#]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

describe('parseMountinfo', () => {
  const rows: readonly [name: string, line: string, mountPoint: string, receives: boolean][] = [
    ['a shared mount', root, '/', true],
    ['a slave mount', '2 1 0:5 / /a rw master:1 - ext4 /dev/b rw', '/a', true],
    ['a slave that is shared, too', '2 1 0:5 / /a rw shared:9 master:1 - ext4 b rw', '/a', true],
    ['a private mount', '2 1 0:5 / /a rw - ext4 /dev/b rw', '/a', false],
    ['an unbindable mount', '2 1 0:5 / /a rw unbindable - ext4 /dev/b rw', '/a', false],
    ['a source with a hyphen of its own', '2 1 0:5 / /a rw - fuse - rw', '/a', false],
    ['an empty source', '2 1 0:5 / /a rw - tmpfs  rw', '/a', false],
    ['a space in the path', '2 1 0:5 / /a\\040b rw - ext4 /dev/b rw', '/a b', false],
    ['a backslash in the path', '2 1 0:5 / /a\\134040 rw - ext4 /dev/b rw', '/a\\040', false],
    ['a mount point that was removed', '2 1 0:5 / /a//deleted rw - nfs b rw', '/a//deleted', false],
  ];
  it.each(rows)('reads %s', (_, line, mountPoint, receives) => {
    expect(parseMountinfo(`${line}\n`)).toMatchObject([{ mountPoint, receives }]);
  });

  it('reads whose file system it is, and what was and is allowed', () => {
    const line = '97 1 259:3 / /a rw,relatime shared:2 - ext4 /dev/nvme0n1 rw,emergency_ro';
    expect(parseMountinfo(`${line}\n`)).toEqual([
      {
        mountPoint: '/a',
        receives: true,
        id: '97',
        device: '259:3',
        type: 'ext4',
        options: ['rw', 'relatime'],
        superOptions: ['rw', 'emergency_ro'],
      },
    ]);
  });

  it.each([
    ['a line that ends in the middle', `${root}\n2 1 0:5 / /var/lib/kub`],
    ['a last line without its end', `${root}\n2 1 0:5 / /a rw - ext4 /dev/b r`],
    ['an empty line', `${root}\n\n`],
    ['a line without a separator', '2 1 0:5 / /a rw shared:1 ext4 /dev/b rw'],
    ['a line without super options', '2 1 0:5 / /a rw - ext4 /dev/b'],
    ['a relative mount point', '2 1 0:5 / a rw - ext4 /dev/b rw'],
    ['the old format of /proc/mounts', '/dev/sda1 / ext4 rw,relatime 0 0'],
  ])('refuses %s, because half a table looks clean', (_, text) => {
    expect(() => parseMountinfo(text.endsWith('r') ? text : `${text}\n`)).toThrow(/mount table/);
  });

  it('refuses an empty table, which no machine has', () => {
    expect(() => parseMountinfo('')).toThrow(/empty/);
  });

  it('finds every mount point again that the kernel could have written', () => {
    const path = fc
      .array(fc.string({ minLength: 1, unit: 'binary' }), { maxLength: 5 })
      .map((names) => `/${names.map((name) => name.replace(/[/\0]/g, '_')).join('/')}`);
    const optional = fc.array(fc.constantFrom('shared:4', 'master:7', 'unbindable', 'new:1'));
    fc.assert(
      fc.property(fc.array(fc.tuple(path, optional), { minLength: 1 }), (mounts) => {
        const text = mounts
          .map(([point, fields]) => {
            const words = ['36', '35', '98:0', '/', escape(point), 'rw', ...fields, '-'];
            return `${words.join(' ')} ext4 /dev/root rw\n`;
          })
          .join('');
        expect(parseMountinfo(text).map(({ mountPoint }) => mountPoint)).toEqual(
          mounts.map(([point]) => point),
        );
      }),
    );
  });

  it('returns a mount for every line or nothing at all, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let found: number | undefined;
        try {
          found = parseMountinfo(text).length;
        } catch {
          found = undefined;
        }
        const lines = text.split('\n').length - 1;
        expect(found === undefined || found === lines).toBe(true);
      }),
    );
  });
});

describe('readMounts', () => {
  it('reads the table of this very machine', async () => {
    const points = (await readMounts('/proc/self/mountinfo')).map(({ mountPoint }) => mountPoint);
    expect(points).toContain('/proc');
  });

  it('rejects if there is no table', async () => {
    await expect(readMounts('/proc/self/no-such-table')).rejects.toThrow(/ENOENT/);
  });

  it('rejects a file that is another at each reading', async () => {
    await expect(readMounts('/proc/sys/kernel/random/uuid')).rejects.toThrow(/changed during/);
  });

  it('takes only a table that stands still', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mounts-'));
    const path = join(directory, 'mountinfo');
    try {
      await writeFile(path, `${root}\n`);
      expect(await readMounts(path)).toHaveLength(1);
      const stop = new AbortController();
      const writer = (async () => {
        for (let count = 0; !stop.signal.aborted; count += 1) {
          await writeFile(path, `${root} ${count}\n`);
        }
      })();
      // Either it was caught standing still, or it says that it was not: never half a table.
      const read = await readMounts(path).then(
        (mounts) => mounts.length,
        (error: Error) => error.message,
      );
      stop.abort();
      await writer;
      const refusals = [`${path} changed during each of 5 readings`, 'the mount table is empty'];
      expect([1, ...refusals]).toContain(read);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
