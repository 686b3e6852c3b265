import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { JournalEntry } from '../array/judge.ts';
import { decodeBlock, fileRecordBytes } from '../array/block.ts';
import { journalName } from './workload.ts';

export interface VolumeState {
  /** What e2fsck complained about; empty: the file system is clean. */
  readonly complaints: string;
  /** How many records the application's journal has from its first one on, without a gap. */
  readonly contiguous: number;
  readonly records: number;
  /** Records that were acknowledged to one pod, and are another's or nobody's now. */
  readonly lost: number;
  /** The pods that wrote it, in order. */
  readonly writers: readonly (string | undefined)[];
}

/**
 * As whoever mounted the image of a volume now would do it before anything else, after a crash or
 * while somebody still writes: brings the file system to where its own journal is.
 */
export function replayJournal(image: string): void {
  const replayed = spawnSync('e2fsck', ['-E', 'journal_only', '-y', image], { encoding: 'utf8' });
  if (replayed.status !== 0) throw new Error(`${replayed.stdout}${replayed.stderr}`);
}

/** Looks into the image of a volume; `written`: what the array took for it. */
export function checkVolume(image: string, written: readonly JournalEntry[]): VolumeState {
  const fsck = spawnSync('e2fsck', ['-f', '-n', image], { encoding: 'utf8' });
  const complaints = fsck.status === 0 ? '' : `${fsck.stdout}${fsck.stderr}`.trim();
  const copy = `${image}.${journalName}`;
  const dump = spawnSync('debugfs', ['-R', `dump /${journalName} ${copy}`, image]);
  if (dump.error !== undefined) throw dump.error;
  const journal = readFileSync(copy);
  const owners: (string | undefined)[] = [];
  const records = Math.floor(journal.length / fileRecordBytes);
  let contiguous = 0;
  for (let index = 0; index < records; index += 1) {
    const header = decodeBlock(journal.subarray(index * fileRecordBytes));
    if (header?.seq === contiguous) contiguous += 1;
    owners.push(header?.podUid);
  }
  const writers = owners.filter((owner, index) => owner !== owners[index - 1]);
  const lost = acknowledged(written).filter(({ podUid, seq }) => owners[seq] !== podUid).length;
  return { complaints, contiguous, records, lost, writers };
}

/** All but the last of each pod: of that one the array does not know whether the pod heard of it. */
function acknowledged(written: readonly JournalEntry[]): readonly JournalEntry[] {
  const taken = written.filter(({ accepted, slot }) => accepted && slot !== '');
  const last = new Map(taken.map(({ podUid, seq }) => [podUid, seq]));
  return taken.filter(({ podUid, seq }) => seq < (last.get(podUid) ?? 0));
}
