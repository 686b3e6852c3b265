import { request } from 'node:http';
import type { AdminRequest } from './admin-server.ts';
import type { JournalEntry, Verdict } from './judge.ts';
import type {
  AdminAnswer,
  AdminRecord,
  Management,
  StoragePath,
  UnpublishMode,
  VolumeInfo,
  VolumeState,
} from './storage-array.ts';

/** The array refused; `code` is gRPC's. */
export class ArrayError extends Error {
  readonly code: string;

  constructor({ code, message }: { readonly code: string; readonly message: string }) {
    super(message);
    this.name = 'ArrayError';
    this.code = code;
  }
}

const noAnswer = { code: 'UNAVAILABLE', message: 'not an answer' };

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

  /** Throws what the array says where its administration is down. */
  async volumes(): Promise<VolumeInfo[]> {
    const answer = await this.#call<VolumeInfo[] | AdminAnswer>('volumes', {});
    if (Array.isArray(answer)) return answer;
    throw new ArrayError(answer.kind === 'error' ? answer : noAnswer);
  }

  /** For one volume, or without a handle for all that have no mode of their own. */
  setUnpublishMode(mode: UnpublishMode, handle?: string): Promise<AdminAnswer> {
    return this.#call('mode', handle === undefined ? { mode } : { mode, handle });
  }

  /** Of a node to all volumes, or with a handle to that one alone. */
  setPath(nodeId: string, path: StoragePath, handle?: string): Promise<AdminAnswer> {
    return this.#call('path', { nodeId, path, ...(handle === undefined ? {} : { handle }) });
  }

  setVolumeState(handle: string, state: VolumeState): Promise<AdminAnswer> {
    return this.#call('state', { handle, state });
  }

  setManagement(management: Management): Promise<AdminAnswer> {
    return this.#call('management', { management });
  }

  /** Writes what is on the volume to a file, where the array can. */
  save(handle: string, file: string): Promise<AdminAnswer> {
    return this.#call('save', { handle, file });
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
