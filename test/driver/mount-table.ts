import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/**
 * The mounts of a stand-in machine, in a file that reads like /proc/self/mountinfo. It belongs to
 * the machine and not to the driver, so it outlives the driver's process; a boot empties it.
 */
export class MountTable {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** The volume mounted at this path, or undefined. */
  handleAt(path: string): string | undefined {
    const line = this.#lines().find((each) => mountPointOf(each) === path);
    return line === undefined ? undefined : handleOf(line);
  }

  mount(path: string, handle: string): void {
    const lines = this.#lines();
    const id = 1 + Math.max(100, ...lines.map((line) => Number(line.split(' ')[0])));
    const where = `${id} 1 43:${id} / ${escapeSpaces(path)}`;
    lines.push(`${where} rw,relatime shared:${id} - ext4 ${escapeSpaces(`nbd:${handle}`)} rw`);
    this.#write(lines);
  }

  unmount(path: string): void {
    this.#write(this.#lines().filter((line) => mountPointOf(line) !== path));
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
