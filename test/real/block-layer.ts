/**
 * What a kernel with an NBD, iSCSI or NVMe initiator is on other machines: turns exports of the
 * array into block devices, by nbdfuse and a loop device on it. It belongs to the machine and not to
 * the driver, so that disks outlive the driver's pod.
 * `node block-layer.ts --folder F`: HTTP on the unix socket F/socket, `PUT /<export>` with
 * `{"array": "host:port"}` answers `{"device": "/dev/loop3"}`, `DELETE /<export>` gives it up.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { parseArgs, promisify } from 'node:util';
import { eventually } from '../machine/eventually.ts';

const { values } = parseArgs({ options: { folder: { type: 'string', default: '' } } });

interface Disk {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

const run = promisify(execFile);
const disks = new Map<string, Disk>();

function folderOf(name: string): string {
  return join(values.folder, 'disks', encodeURIComponent(name));
}

async function attach(name: string, array: string): Promise<string> {
  const folder = folderOf(name);
  const file = join(folder, 'disk');
  if (!disks.has(name)) {
    mkdirSync(folder, { recursive: true });
    const uri = `nbd://${array}/${encodeURIComponent(name)}`;
    const child = spawn('nbdfuse', [file, uri], { stdio: 'inherit' });
    const ended = new Promise<void>((resolve) => {
      const over = (): void => {
        disks.delete(name);
        resolve();
      };
      child.once('exit', over);
      child.once('error', over);
    });
    disks.set(name, { child, ended });
  }
  await eventually(() => disks.has(name) && statSync(file).size > 0, {
    what: `the array to serve ${name}`,
    withinMs: 10_000,
    everyMs: 20,
  });
  // Not `mount -o loop`: that asks every loop device of the computer what lies behind it, and hangs
  // where that is on a machine that hangs.
  const { stdout } = await run('losetup', ['--find', '--show', file]);
  return stdout.trim();
}

async function detach(name: string): Promise<void> {
  const disk = disks.get(name);
  // It unmounts itself, and says goodbye to the array.
  disk?.child.kill('SIGTERM');
  await disk?.ended;
  const folder = folderOf(name);
  // What ended by itself when the array dropped it has left its mount there, which answers nobody.
  await run('umount', ['--lazy', folder]).catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = decodeURIComponent((request.url ?? '').slice(1));
  if (request.method === 'PUT') {
    const { array = '' } = (await json(request)) as { readonly array?: string };
    response.end(JSON.stringify({ device: await attach(name, array) }));
  } else {
    await detach(name);
    response.end('{}');
  }
}

mkdirSync(values.folder, { recursive: true });
createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(join(values.folder, 'socket'));
