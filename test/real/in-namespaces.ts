/**
 * Runs a command where it may do what it likes with network, mounts and processes:
 * `node test/real/in-namespaces.ts <command> [arguments]`. Bridges, addresses, ports, mounts and
 * processes that it makes are in namespaces of their own, so that many may run side by side, and
 * everything is gone when the command ends, or this process does.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { CgroupTree } from './cgroups.ts';
import { cgroupVariable } from './cgroup-variable.ts';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error('usage: node test/real/in-namespaces.ts <command> [arguments]');
  process.exit(2);
}

using tree = new CgroupTree(`csi-failover-${randomUUID().slice(0, 8)}`);
// Whoever removes a folder in there after a crash ends with the namespaces: this one is removed by
// somebody outside.
using scratch = new ScratchFolder('real-');
// The product's image is made in there, and its cache as another user.
chmodSync(scratch.path, 0o755);
const kernel = ['--mount', '--net', '--ipc', '--uts', '--pid', '--mount-proc'];
// The shell is the first process in there, and reaps what others leave.
const shell = ['bash', '-c', 'ip link set lo up && "$@"; exit $?', 'bash', command, ...args];
const child = spawn(
  'setpriv',
  ['--pdeathsig', 'KILL', 'unshare', ...kernel, '--fork', '--kill-child', ...shell],
  { stdio: 'inherit', env: { ...process.env, TMPDIR: scratch.path, [cgroupVariable]: tree.name } },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => child.kill('SIGKILL'));
process.exitCode = await new Promise<number>((resolve) => {
  child.once('error', (error) => {
    console.error(`${command}: ${error.message}`);
    resolve(127);
  });
  child.once('exit', (code) => resolve(code ?? 1));
});
