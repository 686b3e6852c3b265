import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** A change takes far less; whoever still holds the table then hangs. */
const defaultPatienceMs = 1_000;

/**
 * The mounts of a stand-in machine, in a file that reads like /proc/self/mountinfo. It belongs to
 * the machine and not to the driver, so it outlives the driver's process; a boot empties it.
 * The drivers of a machine share it: one at a time reads it, changes it and writes it.
 */
export class MountTable {
  readonly #file: string;
  readonly #patienceMs: number;

  constructor(file: string, patienceMs = defaultPatienceMs) {
    this.#file = file;
    this.#patienceMs = patienceMs;
  }

  /** The volume mounted at this path, or undefined. */
  handleAt(path: string): string | undefined {
    const line = this.#lines().find((each) => mountPointOf(each) === path);
    return line === undefined ? undefined : handleOf(line);
  }

  mount(path: string, handle: string): void {
    this.#change((lines) => {
      const id = 1 + Math.max(100, ...lines.map((line) => Number(line.split(' ')[0])));
      const where = `${id} 1 43:${id} / ${escapeSpaces(path)}`;
      const what = `rw,relatime shared:${id} - ext4 ${escapeSpaces(`nbd:${handle}`)} rw`;
      return [...lines, `${where} ${what}`];
    });
  }

  unmount(path: string): void {
    this.#change((lines) => lines.filter((line) => mountPointOf(line) !== path));
  }

  /** Throws where another driver does not let go of the table; then nothing has changed. */
  #change(change: (lines: readonly string[]) => readonly string[]): void {
    const lock = `${this.#file}.lock`;
    takeLock(lock, this.#patienceMs);
    try {
      this.#write(change(this.#lines()));
    } finally {
      rmSync(lock, { force: true });
    }
  }

  #lines(): string[] {
    try {
      return readFileSync(this.#file, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
    } catch {
      return [];
    }
  }

  /** In one step, as a reader of the real one never sees half a line. */
  #write(lines: readonly string[]): void {
    const next = `${this.#file}.next`;
    writeFileSync(next, lines.map((line) => `${line}\n`).join(''));
    renameSync(next, this.#file);
  }
}

function takeLock(lock: string, patienceMs: number): void {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error: unknown) {
      if (performance.now() >= end) throw error;
    }
    if (isLeftBehind(lock)) rmSync(lock, { force: true });
    // The calls are short and synchronous, so that none of the same driver is in between.
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

/** Its holder was killed in the middle of a change. */
function isLeftBehind(lock: string): boolean {
  try {
    const holder = Number(readFileSync(lock, 'utf8'));
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error: unknown) {
    return Error.isError(error) && 'code' in error && error.code === 'ESRCH';
  }
}

function mountPointOf(line: string): string {
  return unescapeSpaces(line.split(' ')[4] ?? '');
}

function handleOf(line: string): string {
  const fields = line.split(' ');
  const source = unescapeSpaces(fields[fields.indexOf('-') + 2] ?? '');
  return source.replace(/^nbd:/, '');
}

/** The kernel writes space, tab, newline and backslash as three octal digits (seq_path). */
function escapeSpaces(text: string): string {
  return text.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function unescapeSpaces(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
