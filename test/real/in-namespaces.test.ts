import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { cgroupVariable } from './cgroup-variable.ts';

/** Takes what a bed takes, says under which names, and stays. */
const script = `
  mkdir $TMPDIR/left && mount -t tmpfs left $TMPDIR/left && ip link add left type bridge || exit 1
  for tasks in $(find /sys/fs/cgroup -path "*/$${cgroupVariable}/tasks"); do echo 0 > $tasks; done
  sh -c 'sleep 1000; : left' &
  freezer=$(echo /sys/fs/cgroup/freezer/**/$${cgroupVariable})/machine
  mkdir $freezer && sh -c "echo 0 > $freezer/tasks; sleep 1000; : frozen" &
  until grep -q . $freezer/tasks; do sleep 0.1; done
  echo FROZEN > $freezer/freezer.state
  echo $TMPDIR $${cgroupVariable}
  wait`;

interface Taken {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly cgroups: string;
}

async function takeEverything(): Promise<Taken> {
  const child = spawn(
    process.execPath,
    ['test/real/in-namespaces.ts', 'bash', '-O', 'globstar', '-c', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line = ''] = await Array.fromAsync(firstLine(child));
  const [folder = '', cgroups = ''] = line.split(' ');
  return { child, folder, cgroups };
}

async function* firstLine(child: ChildProcess): AsyncGenerator<string> {
  if (child.stdout === null) return;
  for await (const line of createInterface({ input: child.stdout })) {
    yield line;
    return;
  }
}

function trees(name: string): readonly string[] {
  return globSync(`/sys/fs/cgroup/{*,*/*,*/*/*}/${name}`);
}

function commands(): string {
  return globSync('/proc/[0-9]*/cmdline')
    .map((file) => {
      try {
        return readFileSync(file, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    })
    .join('\n');
}

describe('namespaces of a bed', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'leave nothing behind after %s',
    async (signal) => {
      const { child, folder, cgroups } = await takeEverything();
      expect(existsSync(folder)).toBe(true);
      expect(trees(cgroups).length).toBeGreaterThan(1);
      expect(commands()).toContain('sleep 1000; : left');
      // Another's network: its bridge is not ours.
      expect(existsSync('/sys/class/net/left')).toBe(false);
      child.kill(signal);
      await eventually(() => !existsSync(folder) && trees(cgroups).length === 0, {
        what: 'folder and cgroups to be gone',
        withinMs: 20_000,
      });
      expect(commands()).not.toMatch(/sleep 1000; : (left|frozen)/);
    },
    60_000,
  );

  it('end as the command did', async () => {
    const child = spawn(process.execPath, ['test/real/in-namespaces.ts', 'sh', '-c', 'exit 7']);
    const code = await new Promise((resolve) => {
      child.once('exit', resolve);
    });
    expect(code).toBe(7);
  }, 30_000);
});
