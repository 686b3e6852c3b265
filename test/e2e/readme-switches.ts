/** The commands for people that the README names, to be run as they stand there. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cluster } from '../cluster/start-cluster.ts';

const section = readFileSync('README.md', 'utf8').split(/^## /m).find(isAboutSwitches) ?? '';
const [, block = ''] = /```sh\n(.*?)```/s.exec(section) ?? [];

export const commands: readonly string[] = block
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .join('\n')
  .split(/\n(?=kubectl )/);

/** The one that stands in the text below them. */
export const [, commandOfProse = ''] = /`(kubectl patch [^`]+)`/.exec(section) ?? [];

function isAboutSwitches(text: string): boolean {
  return text.startsWith('Switches\n');
}

/** The one command that begins like this, after `kubectl`. */
export function commandOf(start: string): string {
  const found = commands.filter((command) => command.startsWith(`kubectl ${start}`));
  if (found.length === 1) return found[0] ?? '';
  throw new Error(`${found.length} commands of the README begin with kubectl ${start}`);
}

/** A shell in which `kubectl` is that of the cluster, for its administrator. */
export class AdminShell implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(cluster: Cluster): Promise<AdminShell> {
    const folder = mkdtempSync(join(tmpdir(), 'switches-'));
    const kubectl = join(folder, 'kubectl');
    const path = await cluster.kubeconfig('admin');
    const call = `exec ${cluster.binaries.kubectl} --kubeconfig=${path} "$@"`;
    writeFileSync(kubectl, `#!/bin/sh\n${call}\n`);
    chmodSync(kubectl, 0o755);
    return new AdminShell(folder);
  }

  async run(command: string): Promise<string> {
    const env = { PATH: `${this.#folder}:${process.env['PATH'] ?? ''}`, HOME: this.#folder };
    const { stdout } = await promisify(execFile)('sh', ['-ec', command], { env });
    return stdout;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
