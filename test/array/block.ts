import { Buffer } from 'node:buffer';

/** Writers write whole blocks and say in each who they are, so that the array can tell them apart. */
export const blockBytes = 512;

/**
 * In a file a record fills a page of the page cache: with smaller ones the kernel would write the
 * records before it once more, and the array would take them for writes.
 */
export const fileRecordBytes = 4096;

const magic = Buffer.from('CSIFOBK1', 'latin1');

export interface BlockHeader {
  /** The place of a workload that one pod at a time may hold: `namespace/name`. */
  readonly slot: string;
  readonly podUid: string;
  /** Counts from 0; block n stands at offset n * blockBytes. */
  readonly seq: number;
  /** Wall time in ms, for people only. */
  readonly time: number;
}

export function encodeBlock(header: BlockHeader): Buffer {
  const block = Buffer.alloc(blockBytes);
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  if (magic.length + 2 + text.length > blockBytes) throw new RangeError('the names are too long');
  magic.copy(block);
  block.writeUInt16BE(text.length, magic.length);
  text.copy(block, magic.length + 2);
  return block;
}

/** Undefined for anything that a writer of ours did not write; never throws. */
export function decodeBlock(block: Buffer): BlockHeader | undefined {
  if (block.length < magic.length + 2 || !block.subarray(0, magic.length).equals(magic)) {
    return undefined;
  }
  const begin = magic.length + 2;
  const end = begin + block.readUInt16BE(magic.length);
  try {
    const json = JSON.parse(block.toString('utf8', begin, end)) as Partial<BlockHeader> | null;
    const { slot, podUid, seq, time } = json ?? {};
    if (typeof slot !== 'string' || typeof podUid !== 'string') return undefined;
    if (typeof seq !== 'number' || typeof time !== 'number') return undefined;
    return { slot, podUid, seq, time };
  } catch {
    return undefined;
  }
}
