/**
 * A pod's program on a mounted volume:
 * `node file-writer.ts --file /data/journal --slot shop/web-0 --pod-uid U [--interval-ms 200]`.
 * Reads the journal that its predecessor left, then appends a record per interval and waits until
 * the disk has it. It never gives up: what was refused is tried again for ever.
 */
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { decodeBlock, encodeBlock, fileRecordBytes } from './block.ts';

const text = { type: 'string', default: '' } as const;
const { values } = parseArgs({
  options: {
    file: text,
    slot: text,
    'pod-uid': text,
    'interval-ms': { type: 'string', default: '200' },
  },
});

let descriptor: number | undefined;
let seq = 0;
let last = '';
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

while (!stop.signal.aborted) {
  try {
    descriptor ??= open();
    append(descriptor);
    tell('writing');
  } catch (error: unknown) {
    tell((error as NodeJS.ErrnoException).code ?? String(error));
  }
  await sleep(Number(values['interval-ms']));
}
if (descriptor !== undefined) closeSync(descriptor);
tell('stopped');

function open(): number {
  const file = openSync(values.file, constants.O_RDWR | constants.O_CREAT);
  const record = Buffer.alloc(fileRecordBytes);
  let contiguous = true;
  for (seq = 0; ; seq += 1) {
    record.fill(0);
    readSync(file, record, 0, record.length, seq * fileRecordBytes);
    const header = decodeBlock(record);
    if (header === undefined) break;
    if (header.seq !== seq) contiguous = false;
  }
  tell(contiguous ? 'opened' : 'opened, with gaps');
  return file;
}

function append(file: number): void {
  const record = Buffer.alloc(fileRecordBytes);
  encodeBlock({ slot: values.slot, podUid: values['pod-uid'], seq, time: Date.now() }).copy(record);
  writeSync(file, record, 0, record.length, seq * fileRecordBytes);
  fsyncSync(file);
  seq += 1;
}

/** Once for each change. */
function tell(what: string): void {
  if (what === last) return;
  last = what;
  console.log(`${new Date().toISOString()} ${what} seq=${seq}`);
}
