import { setTimeout as sleep } from 'node:timers/promises';
import { blockBytes, decodeBlock, encodeBlock } from './block.ts';
import { NbdClient, NbdError } from './nbd-client.ts';

export interface WorkloadOptions {
  /** `host:port` of the array. */
  readonly array: string;
  /** `<handle>@<nodeId>`. */
  readonly exportName: string;
  readonly slot: string;
  readonly podUid: string;
  readonly intervalMs: number;
  /** For each read, write and flush. */
  readonly deadlineMs: number;
  readonly onStatus: (status: WorkloadStatus) => void;
  readonly signal: AbortSignal;
}

/**
 * `opened`: read what was there; `writing`: a write was acknowledged; `rejected`: the array said
 * no; `stalled`: no connection or no answer; `stopped`: it was told to stop.
 */
export type WorkloadEvent = 'opened' | 'writing' | 'rejected' | 'stalled' | 'stopped';

export interface WorkloadStatus {
  readonly time: number;
  readonly event: WorkloadEvent;
  readonly slot: string;
  readonly podUid: string;
  /** The block that is to be written next, when this was told. */
  readonly seq: number;
  /** Whether the blocks found at the start run from 0 without a gap. */
  readonly contiguous: boolean;
  readonly detail: string;
}

/**
 * A pod's program: it reads the journal that its predecessor left on the volume, then appends a
 * block per interval and flushes it. It never gives up and never looks at the volume again: a
 * write that was refused or lost is tried again for ever, which makes it a zombie after a fence.
 */
export async function runWorkload(options: WorkloadOptions): Promise<void> {
  const state: { client?: NbdClient; opened: boolean; seq: number; contiguous: boolean } = {
    opened: false,
    seq: 0,
    contiguous: true,
  };
  let last: WorkloadEvent | undefined;
  const tell = (event: WorkloadEvent, detail = '') => {
    if (event === last) return;
    last = event;
    const { slot, podUid } = options;
    const { seq, contiguous } = state;
    options.onStatus({ time: Date.now(), event, slot, podUid, seq, contiguous, detail });
  };
  while (!options.signal.aborted) {
    try {
      state.client ??= await connectTo(options);
      if (!state.opened) {
        Object.assign(state, await findEnd(state.client), { opened: true });
        tell('opened');
      }
      await append(state.client, options, state.seq);
      state.seq += 1;
      tell('writing');
    } catch (error: unknown) {
      const code = error instanceof NbdError ? error.code : 'CLOSED';
      tell(code === 'EPERM' || code === 'EIO' ? 'rejected' : 'stalled', code);
      if (state.client?.closed === true) delete state.client;
    }
    await sleep(options.intervalMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
  state.client?.close();
  tell('stopped');
}

function connectTo({ array, exportName, deadlineMs }: WorkloadOptions): Promise<NbdClient> {
  return NbdClient.connect({ address: array, exportName, deadlineMs });
}

async function append(client: NbdClient, options: WorkloadOptions, seq: number): Promise<void> {
  const { slot, podUid } = options;
  const block = encodeBlock({ slot, podUid, seq, time: Date.now() });
  await client.write(seq * blockBytes, block);
  await client.flush();
}

/** Reads the blocks from the start until the first that nobody wrote. */
export async function findEnd(client: NbdClient): Promise<{ seq: number; contiguous: boolean }> {
  const stepBytes = 64 * 1024;
  let contiguous = true;
  let seq = 0;
  for (let offset = 0; offset < client.sizeBytes; offset += stepBytes) {
    const data = await client.read(offset, Math.min(stepBytes, client.sizeBytes - offset));
    for (let at = 0; at + blockBytes <= data.length; at += blockBytes) {
      const header = decodeBlock(data.subarray(at, at + blockBytes));
      if (header === undefined) return { seq, contiguous };
      if (header.seq !== seq) contiguous = false;
      seq += 1;
    }
  }
  return { seq, contiguous };
}
