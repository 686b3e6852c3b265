import { AdminServer } from './admin-server.ts';
import { NbdServer } from './nbd-server.ts';
import { StorageArray } from './storage-array.ts';

export interface ArrayOptions {
  /** `host:port` or `unix:/path`; a free port of the loopback by default. */
  readonly admin?: string;
  /** `host:port`; a free port of the loopback by default. */
  readonly nbd?: string;
}

export interface RunningArray extends AsyncDisposable {
  readonly array: StorageArray;
  /** For ArrayAdmin and the driver's `--array-admin`. */
  readonly adminAddress: string;
  /** For NbdClient, the writers and the driver's `--array-nbd`. */
  readonly nbdAddress: string;
}

/** An array that listens: `await using array = await startArray()`. */
export async function startArray(options: ArrayOptions = {}): Promise<RunningArray> {
  const array = new StorageArray();
  const nbd = new NbdServer(array);
  const admin = new AdminServer(array);
  const nbdListen = options.nbd ?? '127.0.0.1:0';
  const colon = nbdListen.lastIndexOf(':');
  const port = Number(nbdListen.slice(colon + 1));
  const nbdAddress = await nbd.listen(nbdListen.slice(0, colon), port);
  const adminAddress = await admin.listen(options.admin ?? '127.0.0.1:0');
  return {
    array,
    adminAddress,
    nbdAddress,
    async [Symbol.asyncDispose]() {
      await Promise.all([admin.close(), nbd.close()]);
    },
  };
}
