import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { decodeBlock, fileRecordBytes } from '../array/block.ts';
import { journalName } from './workload.ts';

export interface VolumeState {
  /** What e2fsck complained about; empty: the file system is clean. */
  readonly complaints: string;
  /** How many records the application's journal has from its first one on, without a gap. */
  readonly contiguous: number;
  readonly records: number;
  /** The pods that wrote it, in order. */
  readonly writers: readonly string[];
}

/** Looks into the image of a volume that nobody has mounted. */
export function checkVolume(image: string): VolumeState {
  const fsck = spawnSync('e2fsck', ['-f', '-n', image], { encoding: 'utf8' });
  const complaints = fsck.status === 0 ? '' : `${fsck.stdout}${fsck.stderr}`.trim();
  const copy = `${image}.${journalName}`;
  const dump = spawnSync('debugfs', ['-R', `dump /${journalName} ${copy}`, image]);
  if (dump.error !== undefined) throw dump.error;
  const journal = readFileSync(copy);
  const writers: string[] = [];
  const records = Math.floor(journal.length / fileRecordBytes);
  let contiguous = 0;
  for (let index = 0; index < records; index += 1) {
    const header = decodeBlock(journal.subarray(index * fileRecordBytes));
    if (header?.seq === contiguous) contiguous += 1;
    if (header !== undefined && writers.at(-1) !== header.podUid) writers.push(header.podUid);
  }
  return { complaints, contiguous, records, writers };
}
