/**
 * PodGC: force-deletes pods that nobody else will finish. Source:
 * pkg/controller/podgc/gc_controller.go. Tolerations are not looked at.
 */
import { outOfServiceTaint } from '../../src/shared/names.ts';
import { conditionStatus, isDeleting, isFinished, withCondition } from './conditions.ts';
import type { Pod } from './objects.ts';
import type { StepContext } from './step.ts';
import type { Store } from './store.ts';

export interface PodGcSettings {
  readonly periodMs: number;
  /** From the first time that a node is missed until it is asked once more whether it is there. */
  readonly quarantineMs: number;
}

export const podGcDefaults: PodGcSettings = { periodMs: 20_000, quarantineMs: 40_000 };

export class PodGcMemory {
  /** When each was first missed. A node that comes does not end that (nodeQueue.AddAfter). */
  readonly missedAt = new Map<string, number>();
  nextAt = Number.NEGATIVE_INFINITY;
}

export function stepPodGc(
  context: StepContext & { readonly settings?: PodGcSettings },
  memory: PodGcMemory,
): void {
  const { store, now, settings = podGcDefaults } = context;
  if (now < memory.nextAt) return;
  memory.nextAt = now + settings.periodMs;
  for (const { spec } of store.all('pods')) {
    const { nodeName = '' } = spec;
    if (nodeName === '' || store.find('nodes', nodeName) !== undefined) continue;
    if (!memory.missedAt.has(nodeName)) memory.missedAt.set(nodeName, now);
  }
  const due = [...memory.missedAt].filter(([, at]) => now - at >= settings.quarantineMs);
  const over = new Set(due.map(([name]) => name));
  for (const name of over) memory.missedAt.delete(name);
  for (const pod of store.all('pods')) {
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') {
      if (isDeleting(pod)) forceDelete(store, pod);
    } else if (store.find('nodes', nodeName) === undefined) {
      if (over.has(nodeName)) collectOrphan(store, pod);
    } else if (isDeleting(pod) && isOutOfService(store, nodeName)) {
      fail(store, pod, {});
      forceDelete(store, pod);
    }
  }
}

/** Not Ready, and the taint's key, whatever its effect and value. */
function isOutOfService(store: Store, nodeName: string): boolean {
  const node = store.find('nodes', nodeName);
  if (node === undefined || conditionStatus(node, 'Ready') === 'True') return false;
  return node.spec?.taints?.some(({ key }) => key === outOfServiceTaint) === true;
}

function collectOrphan(store: Store, pod: Pod): void {
  const conditions = withCondition(pod.status?.conditions, {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime: store.timestamp(),
  });
  fail(store, pod, { conditions });
  forceDelete(store, pod);
}

function fail(store: Store, pod: Pod, extra: Pick<NonNullable<Pod['status']>, 'conditions'>): void {
  if (isFinished(pod)) return;
  const { name, namespace, uid } = pod.metadata;
  const body = { metadata: { uid }, status: { phase: 'Failed', ...extra } };
  store.patch('pods', { namespace, name }, body, { subresource: 'status' });
}

function forceDelete(store: Store, pod: Pod): void {
  const { name, namespace } = pod.metadata;
  store.delete('pods', { namespace, name }, { gracePeriodSeconds: 0 });
}
