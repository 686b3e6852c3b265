/**
 * A pod's program as a process:
 * `node test/array/writer.ts --array host:port --export <handle>@<node> --slot ns/web-0
 *  --pod-uid U --status-file F [--interval 200ms] [--deadline 2s]`.
 * Appends a JSON line to the status file at every transition. SIGTERM ends it; SIGSTOP freezes it.
 */
import { appendFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { runWorkload } from './workload.ts';

const { values } = parseArgs({
  options: {
    array: { type: 'string' },
    export: { type: 'string' },
    slot: { type: 'string' },
    'pod-uid': { type: 'string' },
    'status-file': { type: 'string' },
    interval: { type: 'string', default: '200ms' },
    deadline: { type: 'string', default: '2s' },
  },
});

const statusFile = required('status-file');
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
await runWorkload({
  array: required('array'),
  exportName: required('export'),
  slot: required('slot'),
  podUid: required('pod-uid'),
  intervalMs: milliseconds(values.interval),
  deadlineMs: milliseconds(values.deadline),
  onStatus: (status) => appendFileSync(statusFile, `${JSON.stringify(status)}\n`),
  signal: stop.signal,
});
// A hung array may hold a connection open; there is nothing left to wait for.
process.exit(0);

function required(name: 'array' | 'export' | 'slot' | 'pod-uid' | 'status-file'): string {
  const value = values[name];
  if (value === undefined || value === '') throw new Error(`--${name} is missing`);
  return value;
}

function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text);
  if (match === null) throw new Error(`not a duration: ${text}`);
  return Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
}
