import { readFile } from 'node:fs/promises';
import type { MountEntry } from './facts.ts';

/** Tables change while they are read; two equal readings in a row were one state of it. */
const maxReadings = 5;

/**
 * The complete mount table. Rejects if it cannot be read, understood or caught standing still:
 * then nobody knows what is mounted. Never touches a mount point itself, because looking at a hung
 * one hangs. As k8s.io/mount-utils does (ConsistentRead).
 */
export async function readMounts(
  path: string,
  signal?: AbortSignal,
): Promise<readonly MountEntry[]> {
  const options = { encoding: 'utf8', ...(signal === undefined ? {} : { signal }) } as const;
  let earlier = await readFile(path, options);
  for (let reading = 2; reading <= maxReadings; reading += 1) {
    const text = await readFile(path, options);
    if (text === earlier) return parseMountinfo(text);
    earlier = text;
  }
  throw new Error(`${path} changed during each of ${maxReadings} readings`);
}

/**
 * Parses /proc/<pid>/mountinfo (proc_pid_mountinfo(5)):
 * `id parent major:minor root mountpoint options optional... - type source superoptions`.
 * Throws on anything else, and on an empty table, which no machine has: half a table would make a
 * mounted volume look clean.
 */
export function parseMountinfo(text: string): readonly MountEntry[] {
  if (text === '') throw new Error('the mount table is empty');
  if (!text.endsWith('\n')) throw new Error('the mount table ends in the middle of a line');
  return text.slice(0, -1).split('\n').map(parseLine);
}

function parseLine(line: string): MountEntry {
  const fields = line.split(' ');
  const [id = '', , device = '', , mountPoint = '', options = ''] = fields;
  // Optional fields have the form tag or tag:value, so the first bare hyphen ends them.
  const end = fields.indexOf('-', 6);
  const complete = end >= 6 && fields.length >= end + 4;
  if (!complete || !/^\d+:\d+$/.test(device) || !mountPoint.startsWith('/')) {
    throw new Error(`not a line of a mount table: ${line.slice(0, 200)}`);
  }
  const receives = fields.slice(6, end).some((field) => /^(shared|master):/.test(field));
  const [type = '', , superOptions = ''] = fields.slice(end + 1);
  return {
    mountPoint: unescapeOctal(mountPoint),
    receives,
    id,
    device,
    type,
    options: options.split(','),
    superOptions: superOptions.split(','),
  };
}

/** The kernel writes space, tab, newline, backslash and # as \ooo (fs/proc_namespace.c mangle). */
function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
