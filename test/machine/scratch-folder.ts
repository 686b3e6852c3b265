import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A temporary folder that does not outlive this process, whatever ends it: a shell waits at the
 * other end of a pipe, and removes the folder when the pipe breaks.
 */
export class ScratchFolder implements Disposable {
  readonly path: string;
  readonly #keeper: ChildProcess;

  constructor(prefix: string) {
    this.path = mkdtempSync(join(tmpdir(), prefix));
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
