import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getPriority } from 'node:os';
import { join } from 'node:path';

/** A version 1 hierarchy: its mount option, such as `cpu` or `name=systemd`, and where we are in it. */
interface Hierarchy {
  readonly option: string;
  readonly path: string;
}

const root = '/sys/fs/cgroup';

/**
 * What all machines of a bed together get of the processors beside whoever else wants them: as much
 * as so many processes of the priority that this one has. One of the usual priority is the default,
 * and then a dozen of kubelets, runtimes and drivers starve beside a single compiler. With many more
 * the kernel's own threads starve, which have the usual priority and carry what the disks of all
 * machines read and write: each request then waits for the fraction of a second.
 */
const processes = 4;

/** cpu.shares of one process: 1024 at nice 0, and a quarter more for each step below that. */
function sharesOf(nice: number): number {
  return Math.round(1024 * 1.25 ** -nice);
}

/** All of this computer; a kubelet wants each that it is in. */
function hierarchies(): readonly Hierarchy[] {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trimEnd().split('\n');
  return lines.flatMap((line) => {
    const [number, option = '', path = '/'] = line.split(':');
    // Number 0 is version 2.
    return number === '0' ? [] : [{ option, path: join(folderOf(option), path) }];
  });
}

export function cgroupOptions(): readonly string[] {
  return hierarchies().map(({ option }) => option);
}

function folderOf(option: string): string {
  return join(root, option.replace('name=', ''));
}

/**
 * A directory of one name in every hierarchy, below that of this process: whoever limits us limits
 * what runs in there, too. Everything below it is removed when it is disposed of or this process
 * has ended, whatever ended it; by then nothing may live there.
 */
export class CgroupTree implements Disposable {
  readonly name: string;
  readonly #keeper: ChildProcess;

  constructor(name: string) {
    this.name = name;
    const folders = hierarchies().map(({ path }) => join(path, name));
    for (const folder of folders) {
      makeCgroup(folder);
      if (readdirSync(folder).includes('cpu.shares')) {
        writeFileSync(join(folder, 'cpu.shares'), `${processes * sharesOf(getPriority())}`);
      }
    }
    // What is frozen does not die of anything.
    const thaw = 'find "$@" -name freezer.state -exec sh -c "echo THAWED > {}" \\; 2> /dev/null';
    const clear = 'find "$@" -depth -type d -exec rmdir {} \\; 2> /dev/null';
    // find does not fail where rmdir did: the kernel may still be taking somebody away in there.
    const gone = '[ -z "$(ls -d "$@" 2> /dev/null)" ]';
    const tries = 'for i in 1 2 3 4 5; do';
    const wait = `cat > /dev/null; ${tries} ${thaw}; ${clear}; ${gone} && exit; sleep 1; done`;
    this.#keeper = spawn('sh', ['-c', wait, 'sh', ...folders], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#keeper.stdin?.on('error', () => undefined);
    (this.#keeper.stdin as Socket | null)?.unref();
    this.#keeper.unref();
  }

  [Symbol.dispose](): void {
    this.#keeper.stdin?.destroy();
  }
}

/** Makes the directories of one node, empty and new; where some are left of its former life they go. */
export function freshCgroups(tree: string, node: string): readonly string[] {
  return hierarchies().map((hierarchy) => {
    const path = join(hierarchy.path, tree, node);
    removeCgroup(path);
    makeCgroup(path);
    return path;
  });
}

export function freezerOf(tree: string, node: string): string {
  const path = hierarchies().find(({ option }) => option === 'freezer')?.path ?? '';
  return join(path, tree, node, 'freezer.state');
}

function makeCgroup(path: string): void {
  mkdirSync(path);
  // Nobody may enter a cpuset that has no processor and no memory.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (!readdirSync(path).includes(file)) continue;
    writeFileSync(join(path, file), readFileSync(join(path, '..', file)));
  }
}

function removeCgroup(path: string): void {
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  rmdirSync(path);
}
