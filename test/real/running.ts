/** What runs in the containers of a machine, by command lines and by what programs have said. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningWorkload } from '../machine/machine.ts';
import { writerCommand } from './images.ts';

/** What `pgrep --full` looks for. */
export const writerPattern = writerCommand.join(' ');

/** `commands`: a line for each writer, with its arguments; `disk`: that of the machine. */
export function workloadsIn(commands: string, disk: string): readonly RunningWorkload[] {
  // Not the shell that looks for them.
  const lines = commands.split('\n').filter((line) => line.includes('--pod-uid='));
  return lines.map((line) => {
    const podUid = flag(line, 'pod-uid');
    return {
      slot: flag(line, 'slot'),
      podUid,
      volume: volumeOf(join(disk, 'kubelet/pods', podUid)),
      state: lastWord(join(disk, 'log/pods'), podUid),
    };
  });
}

function flag(line: string, name: string): string {
  return new RegExp(`--${name}=(\\S+)`).exec(line)?.[1] ?? '';
}

/** By the file in which the kubelet notes it. */
function volumeOf(podFolder: string): string {
  const [file] = globSync('volumes/kubernetes.io~csi/*/vol_data.json', { cwd: podFolder });
  if (file === undefined) return '';
  const noted = JSON.parse(readFileSync(join(podFolder, file), 'utf8')) as {
    readonly volumeHandle?: string;
  };
  return noted.volumeHandle ?? '';
}

/** As file-writer.ts tells it: `<time> <what> seq=<number>`, behind three words of the runtime. */
function lastWord(folder: string, podUid: string): RunningWorkload['state'] {
  const [newest] = globSync(`*_${podUid}/*/*.log`, { cwd: folder }).sort().reverse();
  if (newest === undefined) return 'starting';
  const line = readFileSync(join(folder, newest), 'utf8').trimEnd().split('\n').at(-1) ?? '';
  const [, said = ''] = /^\S+ stdout F \S+ (.*) seq=\d+$/.exec(line) ?? [];
  if (said === 'writing' || said === 'stopped') return said;
  if (said.startsWith('opened')) return 'opened';
  return said === '' ? 'starting' : 'rejected';
}
