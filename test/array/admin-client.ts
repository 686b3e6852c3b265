import { request } from 'node:http';
import type { AdminRequest } from './admin-server.ts';
import type { JournalEntry, Verdict } from './judge.ts';
import type {
  AdminAnswer,
  AdminRecord,
  StoragePath,
  UnpublishMode,
  VolumeInfo,
} from './storage-array.ts';

/** The array's administration from another process. Rejects if it is not there or not in time. */
export class ArrayAdmin {
  readonly address: string;
  readonly #deadlineMs: number;

  /** `host:port` or `unix:/path`. */
  constructor(address: string, deadlineMs = 30_000) {
    this.address = address;
    this.#deadlineMs = deadlineMs;
  }

  /** Without a size it gets 64 MiB. */
  create(handle: string, sizeBytes?: number): Promise<AdminAnswer> {
    return this.#call('create', sizeBytes === undefined ? { handle } : { handle, sizeBytes });
  }

  delete(handle: string): Promise<AdminAnswer> {
    return this.#call('delete', { handle });
  }

  publish(handle: string, nodeId: string): Promise<AdminAnswer> {
    return this.#call('publish', { handle, nodeId });
  }

  unpublish(handle: string, nodeId: string): Promise<AdminAnswer> {
    return this.#call('unpublish', { handle, nodeId });
  }

  volumes(): Promise<VolumeInfo[]> {
    return this.#call('volumes', {});
  }

  /** For one volume, or without a handle for all that have no mode of their own. */
  setUnpublishMode(mode: UnpublishMode, handle?: string): Promise<AdminAnswer> {
    return this.#call('mode', handle === undefined ? { mode } : { mode, handle });
  }

  setPath(nodeId: string, path: StoragePath): Promise<AdminAnswer> {
    return this.#call('path', { nodeId, path });
  }

  journal(): Promise<JournalEntry[]> {
    return this.#call('journal', {});
  }

  records(): Promise<AdminRecord[]> {
    return this.#call('records', {});
  }

  verdict(): Promise<Verdict> {
    return this.#call('verdict', {});
  }

  #call<T>(call: string, body: AdminRequest): Promise<T> {
    const colon = this.address.lastIndexOf(':');
    const target = this.address.startsWith('unix:')
      ? { socketPath: this.address.slice('unix:'.length) }
      : { host: this.address.slice(0, colon), port: this.address.slice(colon + 1) };
    const signal = AbortSignal.timeout(this.#deadlineMs);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { ...target, path: `/${call}`, method: 'POST', signal },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () =>
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as T),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(JSON.stringify(body));
    });
  }
}
