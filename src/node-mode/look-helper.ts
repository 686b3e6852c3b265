/**
 * What looks at volumes, in a process of its own: a file system that hangs holds up whoever looks
 * at it, and of a thread of the agent nobody could get rid of it again. Line by line, a question as
 * JSON comes in and an answer goes out. It writes nothing anywhere, and ends with the agent.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  opendirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { LookAnswer, LookQuestion } from './own-looks.ts';

/** As the first argument, it makes the program this helper. */
export const helperArgument = 'look-at-volumes';

/** Said once when questions may come: starting a process is not part of a look. */
export const readyLine = 'ready';

export function serveLooks(input: Readable, output: Writable): void {
  const lines = createInterface({ input });
  lines.on('line', (line) => {
    const { id, ...question } = JSON.parse(line) as LookQuestion & { readonly id: number };
    output.write(`${JSON.stringify({ id, ...lookAt(question) })}\n`);
  });
  output.write(`${readyLine}\n`);
}

export function lookAt(question: LookQuestion): LookAnswer {
  const { path, sysDir } = question;
  if (question.isBlock) {
    const stats = attempt('stat', () => statSync(path, { bigint: true }));
    if ('call' in stats) return { failure: stats, device: 'unknown' };
    return { device: deviceState(sysDir, deviceNumber(stats.value.rdev)) };
  }
  const device = question.device === '' ? 'unknown' : deviceState(sysDir, question.device);
  const failure = fileSystemFailure(question);
  return failure === undefined ? { device } : { failure, device };
}

interface Failure {
  readonly call: string;
  readonly errno: number;
}

/** The root of the file system only: nothing that a pod made is looked at. */
function fileSystemFailure({ path, accessTimes, nowMs }: LookQuestion): Failure | undefined {
  const filled = attempt('statfs', () => statfsSync(path));
  if ('call' in filled) return filled;
  // A pipe or a device must not hold us up; opening a directory changes nothing of it.
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK;
  const opened = attempt('open', () => openSync(path, flags));
  if ('call' in opened) return seriousOf(opened);
  const stats = attempt('stat', () => fstatSync(opened.value, { bigint: true }));
  closeSync(opened.value);
  if ('call' in stats) return seriousOf(stats);
  if (!readsWithoutTrace(stats.value, accessTimes, nowMs)) return undefined;
  const read = attempt('readdir', () => {
    const directory = opendirSync(path, { bufferSize: 1 });
    try {
      directory.readSync();
    } finally {
      directory.closeSync();
    }
  });
  return 'call' in read ? seriousOf(read) : undefined;
}

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Whether reading the directory leaves its access time alone: the volume is not ours to write to.
 * With `relatime` the kernel renews a time that is older than a change, or than a day
 * (fs/inode.c relatime_need_update).
 */
function readsWithoutTrace(
  stats: BigIntStats,
  accessTimes: LookQuestion['accessTimes'],
  nowMs: number,
): boolean {
  if (accessTimes !== 'relative') return accessTimes === 'never';
  const { atimeNs, mtimeNs, ctimeNs, atimeMs } = stats;
  return atimeNs > mtimeNs && atimeNs > ctimeNs && nowMs - Number(atimeMs) < dayMs / 2;
}

/** ENOENT, EACCES and ENOTDIR: the file system answered, and keeps its contents to itself. */
function seriousOf(failure: Failure): Failure | undefined {
  return [2, 13, 20].includes(failure.errno) ? undefined : failure;
}

/** As glibc's major() and minor() take it apart (sys/sysmacros.h). */
function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/** Where SCSI (scsi_sysfs.c sdev_states) and NVMe (sysfs.c nvme_sysfs_show_state) are at an end. */
const ended = ['offline', 'transport-offline', 'cancel', 'deleted', 'dead', 'deleting'];

/** From the kernel's memory; the device is not touched. A map is as good as its best path. */
function deviceState(sysDir: string, number: string): LookAnswer['device'] {
  return stateBelow(`${sysDir}/dev/block/${number}`, 0);
}

function stateBelow(directory: string, depth: number): LookAnswer['device'] {
  const size = readWord(`${directory}/size`);
  if (size === undefined) return 'absent';
  if (size === '0') return 'empty';
  // The state stands beside the disk; of a partition, one level up.
  const state = readWord(`${directory}/device/state`) ?? readWord(`${directory}/../device/state`);
  if (state !== undefined && ended.includes(state)) return 'offline';
  const slaves = attempt('readdir', () => readdirSync(`${directory}/slaves`));
  if ('call' in slaves || slaves.value.length === 0 || depth > 3) return 'ok';
  const states = slaves.value.map((name) => stateBelow(`${directory}/slaves/${name}`, depth + 1));
  return states.every((one) => one !== 'ok') ? 'offline' : 'ok';
}

function readWord(file: string): string | undefined {
  const read = attempt('read', () => readFileSync(file, 'utf8').trim());
  return 'call' in read ? undefined : read.value;
}

/** What failed, by number: Node has no name for some of the errors that matter here. */
function attempt<T>(call: string, work: () => T): { readonly value: T } | Failure {
  try {
    return { value: work() };
  } catch (error: unknown) {
    const errno = Error.isError(error) && 'errno' in error ? error.errno : undefined;
    return { call, errno: typeof errno === 'number' ? -errno : 0 };
  }
}
