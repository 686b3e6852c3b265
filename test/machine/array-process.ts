import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileCache } from './compile-cache.ts';
import { eventually } from './eventually.ts';
import { ManagedProcess } from './process.ts';
import type { Endpoint } from './proxy.ts';
import { standIn } from './stand-ins.ts';

export interface ArrayAddresses {
  /** `host:port` */
  readonly admin: string;
  readonly nbd: Endpoint;
}

export async function startArrayProcess(
  runId: string,
  folder: string,
  things: AsyncDisposableStack,
): Promise<ArrayAddresses> {
  const array = things.use(
    new ManagedProcess({
      name: 'array',
      command: process.execPath,
      args: [standIn('array')],
      env: compileCache,
      logFile: join(folder, 'array.log'),
      runId,
    }),
  );
  const line = await eventually(
    () => readFileSync(array.logFile, 'utf8').split('\n', 2).length === 2 && firstLine(array),
    { what: 'the array to say where it listens' },
  );
  const { admin, nbd } = JSON.parse(line) as { readonly admin: string; readonly nbd: string };
  const colon = nbd.lastIndexOf(':');
  return { admin, nbd: { host: nbd.slice(0, colon), port: Number(nbd.slice(colon + 1)) } };
}

function firstLine(child: ManagedProcess): string {
  return readFileSync(child.logFile, 'utf8').split('\n')[0] ?? '';
}
