/**
 * What of a fenced volume this agent may unmount itself. The kubelet does that for every pod that
 * it knows; but what it lost the file about (vol_data.json), and what is staged and was in no pod's
 * hands when it was restarted, stays until somebody does it. Nothing here is done on a doubt: a pod
 * of which nobody can tell counts as one that is there and runs.
 */
import type { FenceRecord } from '../shared/record.ts';
import type { Unmount } from './actions.ts';
import { type DriverPaths, type LeftOver, leftOversOf, type Machine, placeIn } from './clean.ts';

/** A mount that is left alone, and why: a clause for people. */
export interface Kept {
  readonly path: string;
  readonly because: string;
}

export interface Cleaning {
  readonly unmounts: readonly Unmount[];
  readonly kept: readonly Kept[];
}

/** A mount of a volume, by what made it. */
type Found =
  | { readonly kind: 'published'; readonly path: string; readonly uid: string }
  | { readonly kind: 'staged' | 'other'; readonly path: string };

export function cleaningOf(record: FenceRecord, machine: Machine, paths: DriverPaths): Cleaning {
  const cleaning: { unmounts: Unmount[]; kept: Kept[] } = { unmounts: [], kept: [] };
  // Before Moved somebody of these pods may still be there, and use what is mounted.
  if (record.phase !== 'Moved') return cleaning;
  for (const volume of record.volumes) {
    const left = leftOversOf([volume], machine, paths);
    const blind = left.find(({ kind }) => kind === 'blind');
    const mounts = left.filter(({ kind }) => kind === 'mounted');
    const found = mounts.map(({ path }) => foundAt(path, machine, paths));
    const why = blind?.reason ?? doubtAbout(record, machine, found);
    if (why !== undefined) {
      cleaning.kept.push(...mounts.map(({ path }) => ({ path, because: why })));
      continue;
    }
    // As the kubelet does it: no pod has the volume any more before it is unstaged.
    const published = found.filter(({ kind }) => kind === 'published');
    const step = published.length > 0 ? 'unpublish' : 'unstage';
    const targets = new Set((published.length > 0 ? published : found).map(({ path }) => path));
    for (const path of targets) cleaning.unmounts.push({ step, handle: volume.handle, path });
  }
  return cleaning;
}

/** Containers of pods that are gone: they hold a mount that no table of ours shows. */
export function runningLeft({ pods = [] }: FenceRecord, { running }: Machine): readonly LeftOver[] {
  return pods
    .filter((uid) => running?.has(uid) === true)
    .map((uid) => ({
      kind: 'running',
      path: '',
      reason: `a container of pod ${uid}, which is gone, still runs`,
    }));
}

/** Why nothing of this volume may be unmounted by us; undefined: it may. */
function doubtAbout(
  { pods = [] }: FenceRecord,
  { running }: Machine,
  found: readonly Found[],
): string | undefined {
  if (running === undefined) {
    return 'without --cgroup-dir nobody can tell which containers run';
  }
  if (found.some(({ kind }) => kind === 'other')) {
    return 'only the kubelet takes away block devices and sub-paths';
  }
  if (pods.length === 0) return 'the fence record names no pod that is gone';
  const known = found.find((one) => one.kind === 'published' && !pods.includes(one.uid));
  if (known !== undefined) return 'it is mounted for a pod that may still be there';
  const runs = pods.find((uid) => running.has(uid));
  return runs === undefined ? undefined : `a container of pod ${runs} still runs`;
}

/** Where the kubelet mounts: pkg/volume/csi csi_mounter.go, csi_attacher.go. */
function foundAt(path: string, { kubeletDirs }: Machine, { driverName }: DriverPaths): Found {
  const parts = placeIn(kubeletDirs, path) ?? [];
  const [first, second = '', third, fourth, , last] = parts;
  // Whatever lies below: a driver may mount one level deeper than it was told to.
  const target = [kubeletDirs[0] ?? '', ...parts.slice(0, 6)].join('/');
  if (first === 'pods' && third === 'volumes' && last === 'mount') {
    return { kind: 'published', path: target, uid: second };
  }
  const staged = first === 'plugins' && fourth === driverName && last === 'globalmount';
  return { kind: staged ? 'staged' : 'other', path: target };
}
