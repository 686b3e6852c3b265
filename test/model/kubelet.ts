/**
 * The kubelet's duties as one pure decision: what it sees and has -> everything that it would do
 * now. The simulation carries the actions out at once, the stand-in process one after the other;
 * both ask again with what then is. Sources: pkg/kubelet volumemanager, pod_workers, nodestatus
 * and component-helpers' lease controller, as far as other controllers can notice them.
 */
import { uniqueVolumeName } from '../../src/shared/model.ts';
import { conditionStatus, isDeleting, isFinished } from './conditions.ts';
import type { CsiVolume } from './csi-volumes.ts';
import {
  type KubeletAction,
  type KubeletPod,
  type KubeletSettings,
  type KubeletView,
  kubeletDefaults,
  type VolumeOnMachine,
  type Workload,
} from './kubelet-action.ts';
import {
  csiNodeObject,
  endedPatch,
  leaseObject,
  nodeObject,
  nodeStatusPatch,
  runningPatch,
} from './kubelet-objects.ts';
import type { CsiNode, Pod } from './objects.ts';

/** `now` is the machine's monotonic clock in milliseconds, as in `view.memory`. */
export function decideKubelet(
  view: KubeletView,
  now: number,
  settings: KubeletSettings = kubeletDefaults,
): readonly KubeletAction[] {
  return [
    ...registration(view, now, settings),
    ...nodeStatus(view, now, settings),
    ...view.pods.flatMap((pod) =>
      shouldRun(pod.pod) && !endsAll(view) ? towardsRunning(view, pod) : towardsEnd(view, pod.pod),
    ),
    ...orphans(view),
    ...unstaging(view),
  ];
}

function registration(
  view: KubeletView,
  now: number,
  settings: KubeletSettings,
): readonly KubeletAction[] {
  const actions: KubeletAction[] = [];
  const { node, memory } = view;
  if (view.synced && node === undefined && !memory.registered) {
    actions.push({ kind: 'createNode', key: 'node', object: nodeObject(view) });
  }
  if (view.synced && node !== undefined && view.csiNode === undefined && view.drivers.length > 0) {
    actions.push({ kind: 'createCsiNode', key: 'csinode', object: csiNodeObject(view) });
  }
  const changed = changedCsiNode(view);
  if (changed !== undefined) {
    actions.push({ kind: 'updateCsiNode', key: 'csinode', object: changed });
  }
  const renewedAt = memory.leaseRenewedAt;
  if (renewedAt !== undefined && now - renewedAt < settings.leaseRenewIntervalMs) return actions;
  if (view.lease !== undefined) {
    actions.push(leaseRenewal(view));
  } else if (view.synced && (node !== undefined || memory.registered)) {
    // After the Node, so that the Lease has it as its owner.
    actions.push({ kind: 'createLease', key: 'lease', object: leaseObject(view, settings) });
  }
  return actions;
}

export function leaseRenewal({
  nodeName,
  microTimestamp,
}: Pick<KubeletView, 'nodeName' | 'microTimestamp'>): KubeletAction {
  const spec = { holderIdentity: nodeName, renewTime: microTimestamp };
  return { kind: 'renewLease', key: 'lease', body: { spec } };
}

/** Drivers enter and leave with their plugins (pkg/volume/csi nodeinfomanager). */
function changedCsiNode({ csiNode, drivers, plugins }: KubeletView): CsiNode | undefined {
  if (csiNode === undefined) return undefined;
  // The API server shows an empty list as null.
  const listed = (csiNode.spec.drivers as CsiNode['spec']['drivers'] | null) ?? [];
  const kept = listed.filter(({ name }) => plugins?.get(name) !== 'gone');
  const added = drivers
    .filter(({ name }) => plugins?.get(name) === 'here' && !listed.some((one) => one.name === name))
    .map(({ name, nodeId }) => ({ name, nodeID: nodeId, topologyKeys: [] }));
  if (kept.length === listed.length && added.length === 0) return undefined;
  return { ...csiNode, spec: { ...csiNode.spec, drivers: [...kept, ...added] } };
}

/** A change of volumesInUse or of the boot id goes out at once, other changes every 10 s. */
function nodeStatus(
  view: KubeletView,
  now: number,
  settings: KubeletSettings,
): readonly KubeletAction[] {
  const { node, memory } = view;
  if (node === undefined || !view.synced) return [];
  const inUse = wantedInUse(view);
  const reported = node.status?.volumesInUse ?? [];
  const since = now - (memory.statusPostedAt ?? Number.NEGATIVE_INFINITY);
  const ready = view.ready === false || view.shuttingDown === true ? 'False' : 'True';
  const due =
    (view.shuttingDown === true && conditionStatus(node, 'Ready') !== ready) ||
    inUse.length !== reported.length ||
    inUse.some((name) => !reported.includes(name)) ||
    node.status?.nodeInfo?.bootID !== view.bootId ||
    since >= settings.statusReportMs ||
    (since >= settings.statusIntervalMs && conditionStatus(node, 'Ready') !== ready);
  return due ? [{ kind: 'patchNodeStatus', key: 'node', body: nodeStatusPatch(view, inUse) }] : [];
}

/** What is mounted, and what shall be: the report comes before the mount. */
function wantedInUse({ pods, machine }: KubeletView): readonly string[] {
  const names = new Set<string>();
  for (const { driver, handle } of [...machine.staged, ...machine.published]) {
    names.add(uniqueVolumeName(driver, handle));
  }
  for (const { pod, volumes = [] } of pods) {
    if (!shouldRun(pod)) continue;
    for (const volume of volumes) if (volume.attachRequired) names.add(volume.uniqueName);
  }
  return [...names].sort();
}

/** First it is not ready any more: then nothing new is sent to it. */
function endsAll({ shuttingDown, node }: KubeletView): boolean {
  return shuttingDown === true && node !== undefined && conditionStatus(node, 'Ready') === 'False';
}

function shouldRun(pod: Pod): boolean {
  return !isDeleting(pod) && !isFinished(pod);
}

function towardsRunning(view: KubeletView, { pod, volumes }: KubeletPod): readonly KubeletAction[] {
  if (volumes === undefined || !view.synced) return [];
  const mounts = volumes.flatMap((volume) => towardsMount(view, pod, volume));
  const mounted = volumes.every((volume) => isPublished(view, volume, pod.metadata.uid));
  if (!mounted) return mounts;
  const workload = workloadOf(view, pod);
  const key = `pod/${pod.metadata.uid}`;
  if (workload === undefined) return [{ kind: 'startWorkload', key, pod, volumes }];
  if (workload.state === 'running') {
    const body = runningPatch(pod, view.timestamp);
    return body === undefined ? [] : [{ kind: 'patchPodStatus', key, pod, body }];
  }
  const policy = pod.spec.restartPolicy ?? 'Always';
  if (policy === 'Always' || (policy === 'OnFailure' && workload.state === 'failed')) {
    return [{ kind: 'startWorkload', key, pod, volumes }];
  }
  const body = endedPatch(pod, workload.state, view.timestamp);
  return body === undefined ? [] : [{ kind: 'patchPodStatus', key, pod, body }];
}

function towardsMount(view: KubeletView, pod: Pod, volume: CsiVolume): readonly KubeletAction[] {
  const key = volumeKey(volume);
  if (isPublished(view, volume, pod.metadata.uid)) return [];
  if (isStaged(view, volume)) return [{ kind: 'publish', key, volume, pod }];
  return mayMount(view, volume) ? [{ kind: 'stage', key, volume }] : [];
}

/** operation_generator.go GenerateVerifyControllerAttachedVolumeFunc, then the attachment's own word. */
function mayMount({ node, attachments }: KubeletView, volume: CsiVolume): boolean {
  if (!volume.attachRequired) return true;
  const { volumesInUse = [], volumesAttached = [] } = node?.status ?? {};
  if (!volumesInUse.includes(volume.uniqueName)) return false;
  if (!volumesAttached.some(({ name }) => name === volume.uniqueName)) return false;
  return attachments.some(
    (attachment) =>
      attachment.spec.source.persistentVolumeName === volume.pv &&
      attachment.spec.attacher === volume.driver &&
      attachment.status?.attached === true &&
      !isDeleting(attachment),
  );
}

function towardsEnd(view: KubeletView, pod: Pod): readonly KubeletAction[] {
  const { uid, deletionGracePeriodSeconds } = pod.metadata;
  if (!view.synced) return [];
  const key = `pod/${uid}`;
  const workload = workloadOf(view, pod);
  if (workload?.state === 'running') {
    const graceSeconds = deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    return [{ kind: 'stopWorkload', key, podUid: uid, graceSeconds }];
  }
  const body = endedPatch(pod, workload?.state ?? 'failed', view.timestamp);
  if (body !== undefined) return [{ kind: 'patchPodStatus', key, pod, body }];
  const unmounts = unpublishing(view, uid);
  if (unmounts.length > 0 || !isDeleting(pod)) return unmounts;
  return [{ kind: 'deletePod', key, pod }];
}

/** Pods that the API no longer has: kill first, then unmount (pod_workers housekeeping). */
function orphans(view: KubeletView): readonly KubeletAction[] {
  if (!view.synced) return [];
  const known = new Set(view.pods.map(({ pod }) => pod.metadata.uid));
  const { workloads, published } = view.machine;
  const running = workloads.filter((one) => one.state === 'running' && !known.has(one.podUid));
  const killing = new Set(running.map(({ podUid }) => podUid));
  const gone = new Set(published.map(({ podUid }) => podUid).filter((uid) => !known.has(uid)));
  return [
    ...running.map(
      ({ podUid }): KubeletAction => ({
        kind: 'stopWorkload',
        key: `pod/${podUid}`,
        podUid,
        graceSeconds: 1,
      }),
    ),
    ...[...gone].filter((uid) => !killing.has(uid)).flatMap((uid) => unpublishing(view, uid)),
  ];
}

function unpublishing({ machine }: KubeletView, podUid: string): readonly KubeletAction[] {
  return machine.published
    .filter((one) => one.podUid === podUid)
    .map(({ driver, handle }) => {
      const volume = { driver, handle };
      return { kind: 'unpublish', key: volumeKey(volume), volume, podUid };
    });
}

/** A volume that no pod has or shall have is unstaged; only then it leaves volumesInUse. */
function unstaging({ machine, pods, synced }: KubeletView): readonly KubeletAction[] {
  if (!synced) return [];
  const needed = new Set(machine.published.map((one) => volumeKey(one)));
  for (const { pod, volumes } of pods) {
    // A pod whose volumes cannot be read may need any of them.
    if (shouldRun(pod) && volumes === undefined) return [];
    if (shouldRun(pod)) for (const volume of volumes ?? []) needed.add(volumeKey(volume));
  }
  return machine.staged
    .filter((volume) => !needed.has(volumeKey(volume)))
    .map(({ driver, handle }) => {
      const volume = { driver, handle };
      return { kind: 'unstage', key: volumeKey(volume), volume };
    });
}

function workloadOf({ machine }: KubeletView, pod: Pod): Workload | undefined {
  return machine.workloads.find((one) => one.podUid === pod.metadata.uid);
}

function isPublished({ machine }: KubeletView, volume: VolumeOnMachine, podUid: string): boolean {
  return machine.published.some((one) => one.podUid === podUid && same(one, volume));
}

function isStaged({ machine }: KubeletView, volume: VolumeOnMachine): boolean {
  return machine.staged.some((one) => same(one, volume));
}

function same(a: VolumeOnMachine, b: VolumeOnMachine): boolean {
  return a.driver === b.driver && a.handle === b.handle;
}

function volumeKey({ driver, handle }: VolumeOnMachine): string {
  return `volume/${driver}^${handle}`;
}
