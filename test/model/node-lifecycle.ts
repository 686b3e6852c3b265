/**
 * The node-lifecycle controller: Ready=Unknown and taints for nodes that it no longer hears.
 * It counts from when it saw a heartbeat change, by its own clock. Source:
 * pkg/controller/nodelifecycle/node_lifecycle_controller.go.
 */
import { conditionStatus, withCondition } from './conditions.ts';
import type { Node, NodeTaint } from './objects.ts';
import { Gate, type StepContext } from './step.ts';
import type { Store } from './store.ts';

export interface NodeLifecycleSettings {
  readonly monitorPeriodMs: number;
  /** `--node-monitor-grace-period`: 50 s since 1.32. */
  readonly graceMs: number;
  readonly startupGraceMs: number;
  /** One NoExecute taint per this time, in a healthy zone (`--node-eviction-rate` 0.1/s). */
  readonly taintIntervalMs: number;
}

export const nodeLifecycleDefaults: NodeLifecycleSettings = {
  monitorPeriodMs: 5_000,
  graceMs: 50_000,
  startupGraceMs: 60_000,
  taintIntervalMs: 10_000,
};

const unreachable = 'node.kubernetes.io/unreachable';
const notReady = 'node.kubernetes.io/not-ready';
const unschedulable = 'node.kubernetes.io/unschedulable';
const unknownWithNode = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

interface Health {
  readonly uid: string;
  /** The last heartbeat seen, whatever its form; only compared. */
  heartbeat: string;
  /** When it was seen to change. */
  probedAt: number;
}

export class NodeLifecycleMemory {
  readonly gate = new Gate('nodes');
  readonly health = new Map<string, Health>();
  readonly waitingForNoExecute = new Set<string>();
  nextMonitorAt = Number.NEGATIVE_INFINITY;
  nextTaintAt = Number.NEGATIVE_INFINITY;
  disruption: 'normal' | 'partial' | 'full' = 'normal';
}

interface Pass extends StepContext {
  readonly settings: NodeLifecycleSettings;
  readonly memory: NodeLifecycleMemory;
}

export function stepNodeLifecycle(
  context: StepContext & { readonly settings?: NodeLifecycleSettings },
  memory: NodeLifecycleMemory,
): void {
  const { now, store, settings = nodeLifecycleDefaults } = context;
  const pass: Pass = { now, store, settings, memory };
  if (now >= memory.nextMonitorAt) {
    memory.nextMonitorAt = now + pass.settings.monitorPeriodMs;
    monitor(pass);
  }
  if (memory.gate.open(context)) {
    for (const node of store.all('nodes')) taintNoSchedule(store, node);
  }
  if (memory.waitingForNoExecute.size > 0 && now >= memory.nextTaintAt) taintOne(pass);
}

function monitor(pass: Pass): void {
  const { store, memory } = pass;
  for (const node of store.all('nodes')) observe(pass, node);
  for (const name of memory.health.keys()) {
    if (store.find('nodes', name) === undefined) memory.health.delete(name);
  }
  const nodes = store.all('nodes');
  judgeDisruption(pass, nodes);
  for (const node of nodes) queueNoExecute(pass, node);
}

function observe({ store, now, memory, settings }: Pass, node: Node): void {
  const { name, uid } = node.metadata;
  const renewed = store.find('leases', name, 'kube-node-lease')?.spec?.renewTime ?? '';
  const posted = node.status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime;
  const heartbeat = `${renewed}|${posted ?? ''}`;
  const known = memory.health.get(name);
  if (known === undefined || known.uid !== uid) {
    memory.health.set(name, { uid, heartbeat, probedAt: now });
    return;
  }
  if (known.heartbeat !== heartbeat) {
    known.heartbeat = heartbeat;
    known.probedAt = now;
  }
  const ready = conditionStatus(node, 'Ready');
  const grace = ready === undefined ? settings.startupGraceMs : settings.graceMs;
  if (now - known.probedAt > grace && ready !== 'Unknown') setUnknown(store, node);
  if (ready === 'True' && now - known.probedAt > grace) markPodsNotReady(store, name);
}

function setUnknown(store: Store, node: Node): void {
  const lastTransitionTime = store.timestamp();
  let conditions = node.status?.conditions ?? [];
  for (const type of unknownWithNode) {
    const old = conditions.find((condition) => condition.type === type);
    conditions = withCondition(conditions, {
      ...old,
      type,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime,
    });
  }
  const { name } = node.metadata;
  store.patch('nodes', { name }, { status: { conditions } }, { subresource: 'status' });
}

function markPodsNotReady(store: Store, node: string): void {
  for (const pod of store.all('pods')) {
    if (pod.spec.nodeName !== node || conditionStatus(pod, 'Ready') !== 'True') continue;
    const conditions = withCondition(pod.status?.conditions, {
      type: 'Ready',
      status: 'False',
      lastTransitionTime: store.timestamp(),
    });
    const { name, namespace } = pod.metadata;
    store.patch('pods', { namespace, name }, { status: { conditions } }, { subresource: 'status' });
  }
}

/**
 * All nodes silent looks like our own blindness: NoExecute taints are taken off and tainting stops.
 * More than half and at least three in a small cluster: tainting stops.
 */
function judgeDisruption(pass: Pass, nodes: readonly Node[]): void {
  const { memory, now, store } = pass;
  const silent = nodes.filter((node) => conditionStatus(node, 'Ready') !== 'True').length;
  const before = memory.disruption;
  if (silent > 0 && silent === nodes.length) memory.disruption = 'full';
  else if (silent > 2 && silent / nodes.length >= 0.55) memory.disruption = 'partial';
  else memory.disruption = 'normal';
  if (memory.disruption === 'full' && before !== 'full') {
    memory.waitingForNoExecute.clear();
    for (const node of nodes) setTaints(store, node, 'NoExecute', []);
  }
  if (memory.disruption !== 'full' && before === 'full') {
    for (const health of memory.health.values()) health.probedAt = now;
  }
}

function queueNoExecute({ memory, store }: Pass, node: Node): void {
  const { name } = node.metadata;
  const wanted = taintFor(node);
  if (wanted === undefined) {
    memory.waitingForNoExecute.delete(name);
    setTaints(store, node, 'NoExecute', []);
    return;
  }
  const has = node.spec?.taints?.some((one) => one.effect === 'NoExecute' && one.key === wanted);
  if (memory.disruption !== 'full' && has !== true) memory.waitingForNoExecute.add(name);
}

function taintOne({ memory, store, now, settings }: Pass): void {
  if (memory.disruption !== 'normal') return;
  for (const name of memory.waitingForNoExecute) {
    memory.waitingForNoExecute.delete(name);
    const node = store.find('nodes', name);
    const key = node === undefined ? undefined : taintFor(node);
    if (node === undefined || key === undefined) continue;
    setTaints(store, node, 'NoExecute', [key]);
    memory.nextTaintAt = now + settings.taintIntervalMs;
    return;
  }
}

function taintNoSchedule(store: Store, node: Node): void {
  const key = taintFor(node);
  const cordoned = node.spec?.unschedulable === true ? [unschedulable] : [];
  setTaints(store, node, 'NoSchedule', key === undefined ? cordoned : [key, ...cordoned]);
}

function taintFor(node: Node): string | undefined {
  const ready = conditionStatus(node, 'Ready');
  if (ready === 'Unknown') return unreachable;
  return ready === 'False' ? notReady : undefined;
}

/** Of the taints of ours with this effect, leaves exactly those with these keys on the node. */
function setTaints(store: Store, stale: Node, effect: string, keys: readonly string[]): void {
  const node = store.find('nodes', stale.metadata.name);
  const taints = node?.spec?.taints ?? [];
  const isOurs = (taint: NodeTaint): boolean =>
    taint.effect === effect && [unreachable, notReady, unschedulable].includes(taint.key);
  const ours = taints.filter((taint) => isOurs(taint));
  if (ours.length === keys.length && ours.every(({ key }) => keys.includes(key))) return;
  const kept = taints.filter((taint) => !isOurs(taint));
  const timeAdded = store.timestamp();
  const next = [...kept, ...keys.map((key) => ({ key, effect, timeAdded }))];
  store.patch('nodes', { name: stale.metadata.name }, { spec: { taints: next } });
}
