/** The objects and status that a kubelet writes about its node and its pods. */
import type { JsonObject } from '../../src/shared/effect.ts';
import { conditionStatus, isFinished, withCondition } from './conditions.ts';
import type { KubeletSettings, KubeletView } from './kubelet-action.ts';
import type { Condition, ContainerStatus, Node, Pod } from './objects.ts';

export function nodeObject({ nodeName, labels }: KubeletView): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels: { 'kubernetes.io/hostname': nodeName, ...labels },
      // Without it attach/detach ignores the node.
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {},
  };
}

export function csiNodeObject(view: KubeletView): JsonObject {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: view.nodeName, ownerReferences: ownerNode(view.node) },
    spec: {
      drivers: view.drivers.map(({ name, nodeId }) => ({ name, nodeID: nodeId, topologyKeys: [] })),
    },
  };
}

export function leaseObject(view: KubeletView, settings: KubeletSettings): JsonObject {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: view.nodeName,
      namespace: 'kube-node-lease',
      ownerReferences: ownerNode(view.node),
    },
    spec: {
      holderIdentity: view.nodeName,
      leaseDurationSeconds: settings.leaseDurationSeconds,
      renewTime: view.microTimestamp,
    },
  };
}

function ownerNode(node: Node | undefined): JsonObject['ownerReferences'] {
  if (node === undefined) return [];
  const { name, uid } = node.metadata;
  return [{ apiVersion: 'v1', kind: 'Node', name, uid }];
}

/** The merge patch for nodes/status; conditions of others stay in the list. */
export function nodeStatusPatch(view: KubeletView, volumesInUse: readonly string[]): JsonObject {
  const ready = view.ready !== false && view.shuttingDown !== true;
  const wanted: readonly (readonly [string, string, string])[] = [
    ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
    ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
    ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
    ['Ready', ready ? 'True' : 'False', ready ? 'KubeletReady' : 'KubeletNotReady'],
  ];
  const old = view.node?.status?.conditions ?? [];
  let conditions: readonly Condition[] = old;
  for (const [type, status, reason] of wanted) {
    const before = old.find((condition) => condition.type === type);
    const changed = before?.status !== status;
    conditions = withCondition(conditions, {
      type,
      status,
      reason,
      lastHeartbeatTime: view.timestamp,
      lastTransitionTime: changed ? view.timestamp : (before.lastTransitionTime ?? view.timestamp),
    });
  }
  return {
    status: {
      conditions,
      volumesInUse,
      nodeInfo: { bootID: view.bootId },
      addresses: [{ type: 'Hostname', address: view.nodeName }],
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
    },
  };
}

/** Undefined if the status says so already. */
export function runningPatch(pod: Pod, timestamp: string): JsonObject | undefined {
  const statuses = pod.status?.containerStatuses ?? [];
  const running = statuses.length > 0 && statuses.every((one) => one.state?.running !== undefined);
  const ready = conditionStatus(pod, 'Ready') === 'True';
  if (pod.status?.phase === 'Running' && running && ready) return undefined;
  const containerStatuses = containerNames(pod).map((name): ContainerStatus => {
    const before = statuses.find((one) => one.name === name);
    const ended = before !== undefined && before.state?.running === undefined;
    return {
      name,
      ready: true,
      restartCount: (before?.restartCount ?? 0) + (ended ? 1 : 0),
      state: { running: before?.state?.running ?? { startedAt: timestamp } },
    };
  });
  return {
    metadata: { uid: pod.metadata.uid },
    status: {
      phase: 'Running',
      conditions: withReady(pod, 'True', timestamp),
      // A merge patch replaces the list, but merges nothing inside it: entries are complete.
      containerStatuses,
    },
  };
}

/** Containers have ended: their statuses say so, and the phase is final. */
export function endedPatch(
  pod: Pod,
  state: 'succeeded' | 'failed',
  timestamp: string,
): JsonObject | undefined {
  const statuses = pod.status?.containerStatuses ?? [];
  const ended = statuses.every((one) => one.state?.terminated !== undefined);
  if (isFinished(pod) && ended) return undefined;
  const exitCode = state === 'succeeded' ? 0 : 137;
  const containerStatuses = containerNames(pod).map((name): ContainerStatus => {
    const restartCount = statuses.find((one) => one.name === name)?.restartCount ?? 0;
    const terminated = { exitCode, finishedAt: timestamp };
    return { name, ready: false, restartCount, state: { terminated } };
  });
  const phase = state === 'succeeded' ? 'Succeeded' : 'Failed';
  return {
    metadata: { uid: pod.metadata.uid },
    status: {
      phase: isFinished(pod) ? pod.status?.phase : phase,
      conditions: withReady(pod, 'False', timestamp),
      containerStatuses,
    },
  };
}

function withReady(pod: Pod, status: string, timestamp: string): readonly Condition[] {
  let conditions = pod.status?.conditions ?? [];
  for (const type of ['ContainersReady', 'Ready']) {
    if (conditionStatus(pod, type) === status) continue;
    conditions = withCondition(conditions, { type, status, lastTransitionTime: timestamp });
  }
  return conditions;
}

function containerNames(pod: Pod): readonly string[] {
  const names = (pod.spec.containers ?? []).map(({ name }) => name);
  const known = names.filter((name) => typeof name === 'string');
  return known.length > 0 ? known : ['main'];
}
