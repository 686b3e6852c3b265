import type { Buffer } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';
import { blockBytes, decodeBlock } from './block.ts';
import type { JournalEntry, Verdict } from './judge.ts';
import { judge } from './judge.ts';
import { SparseDisk } from './sparse-disk.ts';

/**
 * How the array takes a node off a volume. `honest` revokes and answers; `slow` revokes and
 * answers after a while; `lost` revokes and never answers; `lie` answers and revokes nothing;
 * `fail` answers with an error code and revokes nothing.
 */
export type UnpublishMode =
  | { readonly kind: 'honest' }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'lie' }
  | { readonly kind: 'fail'; readonly code: string };

/** A node's way to its data: `cut` drops connections, `hung` takes requests and never answers. */
export type StoragePath = 'ok' | 'cut' | 'hung';

/**
 * What has become of a volume itself, whoever looks at it: `degraded` works, and `lossy` does, too,
 * but holds other data than was written; `offline` answers every read and write with EIO.
 */
export type VolumeState = 'ok' | 'degraded' | 'lossy' | 'offline';

/** The array's administration: `down` refuses every call, `hung` answers none. Data still flows. */
export type Management = 'ok' | 'down' | 'hung';

/** `silence`: the caller must not get an answer at all. */
export type AdminAnswer =
  | { readonly kind: 'ok' }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  | { readonly kind: 'silence' };

export interface VolumeInfo {
  readonly handle: string;
  readonly sizeBytes: number;
  /** What the array says; behind a lie it is not what it enforces. */
  readonly publishedNodes: readonly string[];
  readonly state: VolumeState;
}

/** What the administration of the array was asked, in order. */
export interface AdminRecord {
  readonly time: number;
  readonly call: 'create' | 'delete' | 'publish' | 'unpublish';
  readonly handle: string;
  readonly nodeId: string;
  readonly answer: string;
}

export type IoError = 'EPERM' | 'EINVAL' | 'ENOENT' | 'EIO';

interface Volume {
  readonly handle: string;
  readonly disk: SparseDisk;
  /** Node id to the number of its publication: what the array enforces. */
  readonly granted: Map<string, number>;
  /** What it says. */
  readonly listed: Set<string>;
  unpublishMode: UnpublishMode | undefined;
  state: VolumeState;
  /** Node id to its way to this volume, where it is another one than that to all. */
  readonly paths: Map<string, StoragePath>;
}

const ok: AdminAnswer = { kind: 'ok' };

/**
 * The array itself, without any network: volumes, publish lists and the journal. Every write of a
 * published node is taken, and a second publication of a volume is never refused: it protects
 * nobody from himself, which is what makes its verdict worth something.
 */
export class StorageArray {
  readonly journal: JournalEntry[] = [];
  readonly records: AdminRecord[] = [];
  readonly #volumes = new Map<string, Volume>();
  readonly #paths = new Map<string, StoragePath>();
  readonly #pathListeners = new Set<(nodeId: string) => void>();
  management: Management = 'ok';
  #unpublishMode: UnpublishMode = { kind: 'honest' };
  #publications = 0;

  createVolume(handle: string, sizeBytes: number): AdminAnswer {
    const existing = this.#volumes.get(handle);
    if (existing !== undefined && existing.disk.sizeBytes !== sizeBytes) {
      return this.#record('create', handle, '', error('ALREADY_EXISTS', 'with another size'));
    }
    if (existing === undefined) {
      this.#volumes.set(handle, {
        handle,
        disk: new SparseDisk(sizeBytes),
        granted: new Map(),
        listed: new Set(),
        unpublishMode: undefined,
        state: 'ok',
        paths: new Map(),
      });
    }
    return this.#record('create', handle, '', ok);
  }

  deleteVolume(handle: string): AdminAnswer {
    const volume = this.#volumes.get(handle);
    if (volume !== undefined && volume.granted.size > 0) {
      return this.#record('delete', handle, '', error('FAILED_PRECONDITION', 'still published'));
    }
    this.#volumes.delete(handle);
    return this.#record('delete', handle, '', ok);
  }

  volumes(): VolumeInfo[] {
    return [...this.#volumes.values()].map(({ handle, disk, listed, state }) => ({
      handle,
      sizeBytes: disk.sizeBytes,
      publishedNodes: [...listed],
      state,
    }));
  }

  publish(handle: string, nodeId: string): AdminAnswer {
    const volume = this.#volumes.get(handle);
    if (volume === undefined) {
      return this.#record('publish', handle, nodeId, error('NOT_FOUND', `no volume ${handle}`));
    }
    if (!volume.granted.has(nodeId)) {
      this.#publications += 1;
      volume.granted.set(nodeId, this.#publications);
    }
    volume.listed.add(nodeId);
    return this.#record('publish', handle, nodeId, ok);
  }

  /** An empty node id means all nodes, as in CSI. */
  async unpublish(handle: string, nodeId: string): Promise<AdminAnswer> {
    const volume = this.#volumes.get(handle);
    if (volume === undefined) return this.#record('unpublish', handle, nodeId, ok);
    const mode = volume.unpublishMode ?? this.#unpublishMode;
    switch (mode.kind) {
      case 'fail':
        return this.#record('unpublish', handle, nodeId, error(mode.code, 'told to fail'));
      case 'lie':
        for (const node of nodesOf(volume, nodeId)) volume.listed.delete(node);
        return this.#record('unpublish', handle, nodeId, ok);
      case 'slow':
        await sleep(mode.delayMs, undefined, { ref: false });
        break;
      case 'lost':
        revoke(volume, nodeId);
        return this.#record('unpublish', handle, nodeId, { kind: 'silence' });
      case 'honest':
        break;
    }
    revoke(volume, nodeId);
    return this.#record('unpublish', handle, nodeId, ok);
  }

  /** For one volume, or for all that have none of their own; undefined gives a volume's own up. */
  setUnpublishMode(mode: UnpublishMode | undefined, handle?: string): AdminAnswer {
    if (handle === undefined) {
      this.#unpublishMode = mode ?? { kind: 'honest' };
      return ok;
    }
    const volume = this.#volumes.get(handle);
    if (volume === undefined) return error('NOT_FOUND', `no volume ${handle}`);
    volume.unpublishMode = mode;
    return ok;
  }

  setVolumeState(handle: string, state: VolumeState): AdminAnswer {
    const volume = this.#volumes.get(handle);
    if (volume === undefined) return error('NOT_FOUND', `no volume ${handle}`);
    volume.state = state;
    return ok;
  }

  /** Of a node to all volumes, or to one, which is then as bad as the worse of the two. */
  setPath(nodeId: string, path: StoragePath, handle?: string): AdminAnswer {
    const volume = handle === undefined ? undefined : this.#volumes.get(handle);
    if (handle !== undefined && volume === undefined) {
      return error('NOT_FOUND', `no volume ${handle}`);
    }
    (volume?.paths ?? this.#paths).set(nodeId, path);
    for (const listener of this.#pathListeners) listener(nodeId);
    return ok;
  }

  pathOf(nodeId: string, handle: string): StoragePath {
    const both = [this.#paths.get(nodeId), this.#volumes.get(handle)?.paths.get(nodeId)];
    return both.find((path) => path === 'cut') ?? both.find((path) => path === 'hung') ?? 'ok';
  }

  onPath(listener: (nodeId: string) => void): void {
    this.#pathListeners.add(listener);
  }

  sizeOf(handle: string): number | undefined {
    return this.#volumes.get(handle)?.disk.sizeBytes;
  }

  /** Everything that is on the disk, whoever may read it. */
  contents(handle: string): Buffer | undefined {
    const disk = this.#volumes.get(handle)?.disk;
    return disk?.read(0, disk.sizeBytes);
  }

  read(handle: string, nodeId: string, offset: number, length: number): Buffer | IoError {
    const volume = this.#volumes.get(handle);
    if (volume === undefined) return 'ENOENT';
    if (!volume.granted.has(nodeId)) return 'EPERM';
    if (volume.state === 'offline') return 'EIO';
    return volume.disk.read(offset, length) ?? 'EINVAL';
  }

  /** Decides and journals in one step: nothing comes between the check and the write. */
  write(handle: string, nodeId: string, offset: number, data: Buffer): undefined | IoError {
    const volume = this.#volumes.get(handle);
    if (volume === undefined) return 'ENOENT';
    if (!volume.disk.contains(offset, data.length)) return 'EINVAL';
    const granted = volume.granted.has(nodeId);
    const accepted = granted && volume.state !== 'offline';
    this.#journalWrite(volume, nodeId, data, accepted);
    if (!accepted) return granted ? 'EIO' : 'EPERM';
    volume.disk.write(offset, data);
    return undefined;
  }

  verdict(): Verdict {
    return judge(this.journal);
  }

  #journalWrite(volume: Volume, nodeId: string, data: Buffer, accepted: boolean): void {
    const time = Date.now();
    const base = { time, handle: volume.handle, nodeId, accepted };
    let marked = 0;
    for (let at = 0; at + blockBytes <= data.length; at += blockBytes) {
      const header = decodeBlock(data.subarray(at, at + blockBytes));
      if (header === undefined) continue;
      const { slot, podUid, seq } = header;
      this.journal.push({ ...base, slot, podUid, seq });
      marked += 1;
    }
    // Somebody else's data: the best name for its writer is the publication that let him in.
    const writer = `${nodeId}#${volume.granted.get(nodeId) ?? 0}`;
    if (marked === 0) this.journal.push({ ...base, slot: '', podUid: writer, seq: 0 });
  }

  #record(
    call: AdminRecord['call'],
    handle: string,
    nodeId: string,
    answer: AdminAnswer,
  ): AdminAnswer {
    const word = answer.kind === 'error' ? answer.code : answer.kind;
    this.records.push({ time: Date.now(), call, handle, nodeId, answer: word });
    return answer;
  }
}

function revoke(volume: Volume, nodeId: string): void {
  for (const node of nodesOf(volume, nodeId)) {
    volume.granted.delete(node);
    volume.listed.delete(node);
  }
}

function nodesOf(volume: Volume, nodeId: string): string[] {
  return nodeId === '' ? [...volume.granted.keys()] : [nodeId];
}

function error(code: string, message: string): AdminAnswer {
  return { kind: 'error', code, message };
}
