import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lookAt, serveLooks } from '../../../src/node-mode/look-helper.ts';
import type { LookQuestion } from '../../../src/node-mode/own-looks.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'look-'));
  mkdirSync(join(folder, 'volume'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function question(rest: Partial<LookQuestion> = {}): LookQuestion {
  return {
    path: join(folder, 'volume'),
    isBlock: false,
    device: '',
    accessTimes: 'never',
    nowMs: Date.now(),
    sysDir: join(folder, 'sys'),
    ...rest,
  };
}

/** A file of sysfs. */
function sys(path: string, text: string): void {
  const file = join(folder, 'sys/dev/block', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${text}\n`);
}

describe('a look at a file system', () => {
  it('finds nothing at one that is well', () => {
    expect(lookAt(question())).toEqual({ device: 'unknown' });
  });

  it('tells which call failed, and how', () => {
    expect(lookAt(question({ path: join(folder, 'gone') }))).toEqual({
      failure: { call: 'statfs', errno: 2 },
      device: 'unknown',
    });
  });

  it('does not mind one whose root is a file', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(lookAt(question({ path: join(folder, 'file') }))).toEqual({ device: 'unknown' });
  });

  it.each(['relative', 'always'] as const)('leaves its access time alone (%s)', (accessTimes) => {
    const path = join(folder, 'volume');
    writeFileSync(join(path, 'data'), '');
    // Older than the last change: a read would bring it up to date.
    const old = new Date(Date.now() - 3 * 60 * 60 * 1000);
    utimesSync(path, old, new Date());
    lookAt(question({ accessTimes }));
    expect(statSync(path).atime).toEqual(old);
  });
});

describe('a look at the device', () => {
  it.each<readonly [string, () => void, string]>([
    ['that is well', () => sys('8:16/size', '2048'), 'ok'],
    ['that is not there', () => {}, 'absent'],
    ['without a size', () => sys('8:16/size', '0'), 'empty'],
    [
      'that is offline',
      () => {
        sys('8:16/size', '2048');
        sys('8:16/device/state', 'offline');
      },
      'offline',
    ],
    [
      'that runs',
      () => {
        sys('8:16/size', '2048');
        sys('8:16/device/state', 'running');
      },
      'ok',
    ],
  ])('%s', (_, prepare, device) => {
    prepare();
    expect(lookAt(question({ device: '8:16' })).device).toBe(device);
  });

  it.each([
    [['running', 'offline'], 'ok'],
    [['offline', 'transport-offline'], 'offline'],
  ])('with paths that are %j', (states, device) => {
    sys('253:0/size', '2048');
    mkdirSync(join(folder, 'sys/dev/block/253:0/slaves'));
    for (const [index, state] of states.entries()) {
      sys(`8:${index}/size`, '2048');
      sys(`8:${index}/device/state`, state);
      symlinkSync(`../../8:${index}`, join(folder, `sys/dev/block/253:0/slaves/sd${index}`));
    }
    expect(lookAt(question({ device: '253:0' })).device).toBe(device);
  });

  it('of a block volume goes by the number of its device file', () => {
    // Every machine has this one: a character device, with a number like any other.
    sys('1:3/size', '0');
    expect(lookAt(question({ isBlock: true, path: '/dev/null' }))).toEqual({ device: 'empty' });
  });
});

it('a helper says when it is ready, and then answers line by line', async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  serveLooks(input, output);
  input.write(`${JSON.stringify({ id: 1, ...question() })}\n`);
  input.end(`${JSON.stringify({ id: 2, ...question({ path: '/no/such/place' }) })}\n`);
  const lines: string[] = [];
  for await (const chunk of output) {
    lines.push(...String(chunk).trim().split('\n'));
    if (lines.length >= 3) break;
  }
  expect(lines).toEqual([
    'ready',
    '{"id":1,"device":"unknown"}',
    '{"id":2,"failure":{"call":"statfs","errno":2},"device":"unknown"}',
  ]);
});
