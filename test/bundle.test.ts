import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

/** The bundle as it ships: alone in a folder with nothing else. */
let folder: string;
let bundle: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'csi-failover-bundle-'));
  bundle = join(folder, 'csi-failover.cjs');
  copyFileSync('dist/csi-failover.cjs', bundle);
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...parameters: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: {} };
    execFile(process.execPath, [bundle, ...parameters], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

describe('the bundle, alone in an empty folder', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const stdout = `csi-failover ${version}\n`;
    expect(await run('--version')).toEqual({ code: 0, stdout, stderr: '' });
  });

  it('tells how to use it', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('--max-lost-nodes');
  });

  it('ends with 2 and all mistakes when it is configured wrongly', async () => {
    const { code, stdout, stderr } = await run('--mode=node', '--timeout=x', '--fense=none');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')).toEqual([
      'csi-failover: --fense: expected --fence, perhaps, got an unknown flag',
      expect.stringContaining('csi-failover: --timeout: expected a duration'),
      expect.stringContaining('csi-failover: --node-name: expected'),
      'csi-failover: see --help',
      '',
    ]);
  });
});

/** Nothing listens there: an API server that is away must stop nobody. */
const kubeconfig = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:9' } }],
  users: [{ name: 'u', user: {} }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'x',
});

describe.each(['controller', 'node'])('%s mode without an API server and a driver', (mode) => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'goes on, and ends with 0 after %s',
    async (signal) => {
      writeFileSync(join(folder, 'kubeconfig'), kubeconfig);
      const parameters = [
        `--mode=${mode}`,
        '--node-name=n',
        '--driver-name=d.example.com',
        '--kubeconfig=kubeconfig',
        `--csi-address=${join(folder, 'csi.sock')}`,
        `--kubelet-dir=${folder}`,
      ];
      const child = spawn(process.execPath, [bundle, ...parameters], { cwd: folder, env: {} });
      children.push(child);
      const output: string[] = [];
      child.stdout.on('data', (data: Buffer) => output.push(data.toString()));
      child.stderr.on('data', (data: Buffer) => output.push(data.toString()));
      const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
      await Promise.race([once(child.stdout, 'data'), ended]);
      // Long enough for a crash at the first refused connection.
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 1000)), ended]);
      expect({ exitCode: child.exitCode, output }).toMatchObject({ exitCode: null });
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
    },
    20_000,
  );
});
