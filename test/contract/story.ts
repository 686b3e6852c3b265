/** What happened to one workload, in words that do not depend on names, in the order of the API. */
import { attacherFinalizer, holdFinalizer } from '../../src/shared/names.ts';
import { uniqueVolumeName } from '../../src/shared/model.ts';
import type { Change } from '../machine/foundation.ts';
import { volumeHandle, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { Node, Pod, VolumeAttachment } from '../model/objects.ts';

export interface Line {
  readonly at: number;
  readonly text: string;
}

/** Pods are `pod 1`, `pod 2`; nodes are `old` (where it began) and `new`. */
export function storyOf(
  plan: WorkloadPlan,
  changes: readonly Change[],
  oldNode: string,
): readonly Line[] {
  const pods = new Map<string, number>();
  const unique = uniqueVolumeName(plan.driverName, volumeHandle(plan));
  const role = (node: string): string => (node === oldNode ? 'old' : 'new');
  const lines: Line[] = [];
  for (const change of changes.toSorted((a, b) => a.rv - b.rv)) {
    const { resource, at } = change;
    const texts =
      resource === 'pods'
        ? podTexts(plan, change as Of<Pod>, pods, role)
        : resource === 'volumeattachments'
          ? attachmentTexts(plan, change as Of<VolumeAttachment>, role)
          : resource === 'nodes'
            ? nodeTexts(change as Of<Node>, unique, role)
            : [];
    for (const text of texts) lines.push({ at, text });
  }
  return lines;
}

interface Of<T> {
  readonly type: Change['type'];
  readonly object: T;
  readonly old?: T;
}

function podTexts(
  { namespace, name }: WorkloadPlan,
  { type, object, old }: Of<Pod>,
  pods: Map<string, number>,
  role: (node: string) => string,
): readonly string[] {
  const { metadata, spec, status } = object;
  if (metadata.namespace !== namespace || metadata.labels?.['app'] !== name) return [];
  const number = pods.get(metadata.uid) ?? pods.size + 1;
  pods.set(metadata.uid, number);
  if (type === 'DELETED') return [`pod ${number}: gone`];
  const { nodeName } = spec;
  const phase = status?.phase ?? 'Pending';
  return happened([
    [type === 'ADDED', 'made'],
    [nodeName !== old?.spec.nodeName, `on ${role(nodeName ?? '')}`],
    [phase !== (old?.status?.phase ?? 'Pending'), phase],
    [isLeaving(object) && old !== undefined && !isLeaving(old), 'terminating'],
  ]).map((text) => `pod ${number}: ${text}`);
}

/** The texts of what is true. */
function happened(all: readonly (readonly [boolean, string])[]): readonly string[] {
  return all.filter(([is]) => is).map(([, text]) => text);
}

function isLeaving({ metadata }: Pod | VolumeAttachment): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function attachmentTexts(
  plan: WorkloadPlan,
  { type, object, old }: Of<VolumeAttachment>,
  role: (node: string) => string,
): readonly string[] {
  const { spec, status } = object;
  if (spec.source.persistentVolumeName !== `pv-${plan.namespace}-${plan.name}`) return [];
  const attacher = attacherFinalizer(spec.attacher);
  const failed = (one: VolumeAttachment | undefined): boolean =>
    one?.status?.detachError !== undefined;
  return happened([
    [type === 'ADDED', 'made'],
    [isLeaving(object) && old !== undefined && !isLeaving(old), 'deleted'],
    [status?.attached === true && old?.status?.attached !== true, 'attached'],
    [failed(object) && !failed(old), 'detach failed'],
    [carries(old, attacher) && !carries(object, attacher), 'let go by the attacher'],
    [carries(object, holdFinalizer) && !carries(old, holdFinalizer), 'held'],
    [type === 'DELETED', 'gone'],
  ]).map((text) => `attachment ${role(spec.nodeName)}: ${text}`);
}

function carries(attachment: VolumeAttachment | undefined, finalizer: string): boolean {
  return attachment?.metadata.finalizers?.includes(finalizer) === true;
}

function nodeTexts(
  { type, object, old }: Of<Node>,
  unique: string,
  role: (node: string) => string,
): readonly string[] {
  const lists = (node: Node | undefined): boolean =>
    node?.status?.volumesAttached?.some(({ name }) => name === unique) === true;
  const node = role(object.metadata.name);
  if (type === 'DELETED') return node === 'old' ? ['node old: gone'] : [];
  if (lists(object) === lists(old)) return [];
  return [`node ${node}: ${lists(object) ? 'lists' : 'no longer lists'} the volume`];
}

/** Milliseconds from one line to another one. */
export function between(lines: readonly Line[], from: string, to: string): number {
  const at = (text: string): number => lines.find((line) => line.text === text)?.at ?? Number.NaN;
  return at(to) - at(from);
}

/** Empty if these lines come in this order, whatever is between them; else the story. */
export function inOrder(lines: readonly Line[], wanted: readonly string[]): string {
  let next = 0;
  for (const { text } of lines) if (text === wanted[next]) next += 1;
  if (next === wanted.length) return '';
  const start = lines[0]?.at ?? 0;
  const told = lines.map(({ at, text }) => `${((at - start) / 1000).toFixed(2)} ${text}`);
  return `no "${wanted[next]}" where it should be:\n${told.join('\n')}`;
}
