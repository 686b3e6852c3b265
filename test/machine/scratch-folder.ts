import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

export interface ScratchOptions {
  /** For what must not wait for a disk; it takes memory where that is plenty. */
  readonly inMemory?: boolean;
}

/** Where Linux keeps files in memory. */
const memory = '/dev/shm';
/** Many clusters and their machines have room in it. */
const plentyBytes = 4 * 1024 ** 3;

/**
 * A temporary folder that does not outlive this process, whatever ends it: a shell waits at the
 * other end of a pipe, and removes the folder when the pipe breaks.
 */
export class ScratchFolder implements Disposable {
  readonly path: string;
  readonly #keeper: ChildProcess;

  constructor(prefix: string, { inMemory = false }: ScratchOptions = {}) {
    this.path = mkdtempSync(join(inMemory ? memoryFolder() : tmpdir(), prefix));
    // Children that die with us may still be writing: the second attempt is for those.
    const wait = 'cat > /dev/null; for i in 1 2 3 4 5; do rm -rf "$1" && exit; sleep 1; done';
    this.#keeper = spawn('sh', ['-c', wait, 'sh', this.path], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#keeper.on('error', () => undefined);
    this.#keeper.stdin?.on('error', () => undefined);
    // Neither of them keeps this process from ending.
    (this.#keeper.stdin as Socket | null)?.unref();
    this.#keeper.unref();
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
    this.#keeper.stdin?.destroy();
  }
}

/** Of whoever says where temporary files belong, all are there. */
function memoryFolder(): string {
  return process.env['TMPDIR'] === undefined && hasPlenty(memory) ? memory : tmpdir();
}

function hasPlenty(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= plentyBytes;
  } catch {
    return false;
  }
}
