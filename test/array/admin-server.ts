import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type {
  AdminAnswer,
  Management,
  StorageArray,
  StoragePath,
  UnpublishMode,
  VolumeState,
} from './storage-array.ts';

/** The body of every call; each call reads what it needs of it. */
export interface AdminRequest {
  readonly handle?: string;
  readonly nodeId?: string;
  readonly sizeBytes?: number;
  readonly path?: StoragePath;
  readonly mode?: UnpublishMode;
  readonly state?: VolumeState;
  readonly management?: Management;
  readonly file?: string;
}

/** What a driver calls; the rest is for tests, which an outage of the administration is not for. */
const managed = ['create', 'delete', 'publish', 'unpublish', 'volumes'];

const defaultSizeBytes = 64 * 1024 * 1024;

/** The array's administration: `POST /<call>` with JSON in and out. Speaks to anybody. */
export class AdminServer {
  readonly #array: StorageArray;
  readonly #server: Server;

  constructor(array: StorageArray) {
    this.#array = array;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  /** `host:port` or `unix:/path`; resolves to the address to call it by. */
  async listen(address: string): Promise<string> {
    const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      if (path !== undefined) this.#server.listen(path, resolve);
      else this.#server.listen(Number(address.slice(colon + 1)), host, resolve);
    });
    if (path !== undefined) return address;
    return `${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const body = (text === '' ? {} : JSON.parse(text)) as AdminRequest;
    const result = await this.#call((request.url ?? '').slice(1), body);
    // Done, and nobody will ever hear of it: the connection stays open and silent.
    if (isAnswer(result) && result.kind === 'silence') return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(result));
  }

  /** What stands on the volume, as a file that others can look into. */
  #save(handle: string, file: string): AdminAnswer {
    const contents = this.#array.contents(handle);
    if (contents === undefined) {
      return { kind: 'error', code: 'NOT_FOUND', message: `no volume ${handle}` };
    }
    writeFileSync(file, contents);
    return { kind: 'ok' };
  }

  #call(call: string, body: AdminRequest): unknown {
    const { handle = '', nodeId = '', sizeBytes = defaultSizeBytes, path = 'ok', mode } = body;
    if (managed.includes(call)) {
      if (this.#array.management === 'hung') return { kind: 'silence' };
      if (this.#array.management === 'down') {
        return { kind: 'error', code: 'UNAVAILABLE', message: 'the administration is down' };
      }
    }
    switch (call) {
      case 'create':
        return this.#array.createVolume(handle, sizeBytes);
      case 'delete':
        return this.#array.deleteVolume(handle);
      case 'publish':
        return this.#array.publish(handle, nodeId);
      case 'unpublish':
        return this.#array.unpublish(handle, nodeId);
      case 'volumes':
        return this.#array.volumes();
      case 'mode':
        return this.#array.setUnpublishMode(mode, body.handle);
      case 'path':
        return this.#array.setPath(nodeId, path, body.handle);
      case 'state':
        return this.#array.setVolumeState(handle, body.state ?? 'ok');
      case 'management':
        this.#array.management = body.management ?? 'ok';
        return { kind: 'ok' };
      case 'save':
        return this.#save(handle, body.file ?? '');
      case 'journal':
        return this.#array.journal;
      case 'records':
        return this.#array.records;
      case 'verdict':
        return this.#array.verdict();
      default:
        return { kind: 'error', code: 'UNIMPLEMENTED', message: `no call ${call}` };
    }
  }
}

function isAnswer(result: unknown): result is AdminAnswer {
  return typeof result === 'object' && result !== null && 'kind' in result;
}
