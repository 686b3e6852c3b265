/**
 * S3, second opinion: which pods may not be moved, by what a replica had been told when it began an
 * action. Written anew from the README, not from the guards, over the API's own JSON.
 */
import type { Action } from '../../src/controller-mode/actions.ts';
import {
  fencedTaint,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
  nodeIdAnnotation,
  outOfServiceTaint,
  pausedAnnotation,
  policyAnnotation,
  releaseAnnotation,
  reportAnnotation,
  switchConfigMap,
} from '../../src/shared/names.ts';
import { decodeNodeReport, decodePodIntent, type FenceRecord } from '../../src/shared/record.ts';
import { uniqueVolumeName } from '../../src/shared/model.ts';
import { conditionStatus, isDeleting, isFinished } from '../model/conditions.ts';
import { toleratesAll } from '../model/node-fit.ts';
import type {
  AnyObject,
  ConfigMap,
  CsiNode,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VolumeAttachment,
} from '../model/objects.ts';
import { standsForAll } from './fence-records.ts';
import type { Replica } from './replica.ts';
import { enabled } from './workloads.ts';

/** Why this action should not have been begun; undefined: nothing speaks against it. */
export function objection(replica: Replica, action: Action): string | undefined {
  const view = new View(replica);
  switch (action.kind) {
    case 'MarkPod': {
      const pod = view.pod(action.pod.namespace, action.pod.name);
      if (pod === undefined || pod.metadata.uid !== action.pod.uid) return undefined;
      if (view.hasLost(pod)) return undefined;
      return named('marked', pod, view.forbids(pod) ?? view.otherNodeId(pod));
    }
    case 'Hold':
      return holdObjection(view, action.attachment.name);
    case 'Evict': {
      const pod = view.pod(action.pod.namespace, action.pod.name);
      if (pod === undefined || pod.metadata.uid !== action.pod.uid) return undefined;
      const isBegun = view.hasLost(pod) || isFailedByUs(pod);
      const why = isBegun ? view.pauses(pod) : view.forbids(pod);
      return named('evicted', pod, why);
    }
    case 'SetTaint':
      return action.taint.key === outOfServiceTaint
        ? outOfServiceObjection(view, action.node)
        : undefined;
    default:
      return undefined;
  }
}

/** S6: a volume of a pod was taken away, by whichever instance; only a move helps that pod. */
export function withdrawalObjection(replica: Replica, action: Action): string | undefined {
  if (action.kind !== 'UpdateRecord' || action.from.phase !== 'Intent') return undefined;
  if (action.record.phase !== 'Released') return undefined;
  const view = new View(replica);
  const loser = view.podsOn(action.node).find((pod) => {
    const intent = view.intentOf(pod);
    const own = intent?.uid === pod.metadata.uid && intent.epoch === action.record.epoch;
    return own && !isFinished(pod) && view.hasLost(pod);
  });
  return (
    loser &&
    `withdrew the episode of ${action.node}, where ${loser.metadata.name} has lost a volume`
  );
}

/** S8: why this node should not be given back yet, by what it and its kubelet say. */
export function releaseObjection(replica: Replica, action: Action): string | undefined {
  if (action.kind !== 'UpdateRecord' || action.from.phase !== 'Moved') return undefined;
  if (action.record.phase !== 'Released') return undefined;
  const { driver } = replica.options.policy;
  const { volumes, epoch } = action.record;
  const attachment = new View(replica).attachments().find(({ spec }) => {
    const listed = volumes.some(({ pv }) => pv === spec.source.persistentVolumeName);
    return spec.nodeName === action.node && listed;
  });
  const pv = attachment?.spec.source.persistentVolumeName;
  if (pv !== undefined) return `released ${action.node}, which ${pv} is attached to`;
  const node = replica.delivered('nodes').get(action.node) as Node | undefined;
  if (node === undefined || node.metadata.annotations?.[releaseAnnotation] === epoch)
    return undefined;
  const ready = conditionStatus(node, 'Ready');
  if (ready !== 'True') return `released ${action.node}, whose Ready condition is ${ready}`;
  const names = new Set(volumes.map(({ handle }) => uniqueVolumeName(driver, handle)));
  const any = standsForAll(action.record) && !hasRebooted(node, action.record);
  const used = node.status?.volumesInUse?.find((name) =>
    any ? name.startsWith(uniqueVolumeName(driver, '')) : names.has(name),
  );
  if (used !== undefined) return `released ${action.node}, whose kubelet has ${used} in use`;
  return attests(replica, node, action.record)
    ? undefined
    : `released ${action.node}, whose agent does not say that it is clean`;
}

/** Of this very episode; who has booted anew has nothing left. */
function attests(replica: Replica, node: Node, record: FenceRecord): boolean {
  if (hasRebooted(node, record)) return true;
  const name = heartbeatLease(replica.options.policy.driver, node.metadata.name);
  const lease = replica.delivered('heartbeats').get(name, 'default');
  const report = decodeNodeReport(lease?.metadata.annotations?.[reportAnnotation]);
  return report?.clean?.epoch === record.epoch;
}

function hasRebooted({ status }: Node, { bootId }: FenceRecord): boolean {
  const now = status?.nodeInfo?.bootID ?? '';
  return bootId !== '' && now !== '' && now !== bootId;
}

/** Half of its eviction is done, under the holds of that moment, and its replacement is there. */
function isFailedByUs({ status }: Pod): boolean {
  return status?.phase === 'Failed' && status.reason === 'VolumeFailover';
}

function named(what: string, pod: Pod, why: string | undefined): string | undefined {
  return why && `${what} ${pod.metadata.name}, although ${why}`;
}

function holdObjection(view: View, name: string): string | undefined {
  const attachment = view.attachments().find(({ metadata }) => metadata.name === name);
  if (attachment === undefined) return undefined;
  const { nodeName, source } = attachment.spec;
  const begun = attachment.metadata.finalizers?.includes(holdFinalizer) === true;
  for (const pod of view.usersOf(source.persistentVolumeName ?? '', nodeName)) {
    const intent = view.intentOf(pod);
    // The first volume that is taken, by whichever instance, is the point of no return: from then
    // on only a pause stops what is left of it.
    const forbidden = view.hasLost(pod) ? view.pauses(pod) : view.forbids(pod);
    const why = forbidden ?? (begun ? undefined : view.alone(pod));
    if (why !== undefined) {
      return `took ${source.persistentVolumeName} away under ${pod.metadata.name}, although ${why}`;
    }
    if (!begun && intent?.uid !== pod.metadata.uid) {
      return `took ${source.persistentVolumeName} away under ${pod.metadata.name}, not marked`;
    }
  }
  return undefined;
}

/** Nothing that is not of the episode may be on its way off the node. */
function outOfServiceObjection(view: View, nodeName: string): string | undefined {
  for (const pod of view.podsOn(nodeName)) {
    const foreign = view.intentOf(pod)?.uid !== pod.metadata.uid;
    if (foreign && isDeleting(pod)) {
      return `out-of-service taint on ${nodeName} while ${pod.metadata.name} is being deleted`;
    }
  }
  for (const attachment of view.attachments()) {
    const { spec, metadata } = attachment;
    if (spec.nodeName !== nodeName || isDeleting(attachment)) continue;
    if (metadata.finalizers?.includes(holdFinalizer) === true) continue;
    const pv = spec.source.persistentVolumeName ?? '';
    if (view.usersOf(pv, nodeName).length === 0) {
      return `out-of-service taint on ${nodeName} while nobody there wants ${pv} any more`;
    }
  }
  return undefined;
}

/** The cluster as far as this replica's watches have told of it. */
class View {
  readonly #replica: Replica;
  readonly #driver: string;

  constructor(replica: Replica) {
    this.#replica = replica;
    this.#driver = replica.options.policy.driver;
  }

  pod(namespace: string, name: string): Pod | undefined {
    return this.#replica.delivered('pods').get(name, namespace) as Pod | undefined;
  }

  podsOn(nodeName: string): readonly Pod[] {
    const pods = this.#replica.delivered('pods').inOrder() as readonly Pod[];
    return pods.filter(({ spec }) => spec.nodeName === nodeName);
  }

  attachments(): readonly VolumeAttachment[] {
    return this.#replica.delivered('attachments').inOrder() as readonly VolumeAttachment[];
  }

  intentOf(pod: Pod): ReturnType<typeof decodePodIntent> {
    return decodePodIntent(pod.metadata.annotations?.[intentAnnotation(this.#driver)]);
  }

  usersOf(pv: string, nodeName: string): readonly Pod[] {
    return this.podsOn(nodeName).filter(
      (pod) =>
        !isFinished(pod) && this.#volumesOf(pod).some(({ metadata }) => metadata.name === pv),
    );
  }

  /** A volume of it is taken away, or about to be. */
  hasLost(pod: Pod): boolean {
    const names = new Set(this.#volumesOf(pod).map(({ metadata }) => metadata.name));
    for (const { pv } of this.intentOf(pod)?.volumes ?? []) names.add(pv);
    return this.attachments().some(
      ({ metadata, spec }) =>
        spec.nodeName === pod.spec.nodeName &&
        names.has(spec.source.persistentVolumeName ?? '') &&
        metadata.finalizers?.includes(holdFinalizer) === true,
    );
  }

  /** The instance beside another driver of it has neither said that it comes along, nor done so. */
  alone(pod: Pod): string | undefined {
    const { uid, annotations } = pod.metadata;
    const other = this.#volumesOf(pod).find(({ metadata: { name }, spec: { csi } }) => {
      if (csi === undefined || csi.driver === this.#driver) return false;
      if (decodePodIntent(annotations?.[intentAnnotation(csi.driver)])?.uid === uid) return false;
      return !this.attachments().some(({ metadata, spec }) => {
        const here = spec.nodeName === pod.spec.nodeName;
        const held = isDeleting({ metadata }) && metadata.finalizers?.join() === holdFinalizer;
        return here && held && spec.source.persistentVolumeName === name;
      });
    });
    return other && `nobody has announced to fence ${other.spec.csi?.driver}`;
  }

  pauses(pod: Pod): string | undefined {
    const map = this.#replica.delivered('configmaps').get(switchConfigMap, 'default');
    if ((map as ConfigMap | undefined)?.data?.paused === 'true') return 'all is paused';
    const node = this.#replica.delivered('nodes').get(pod.spec.nodeName ?? '');
    if (says(node, pausedAnnotation)) return 'its node is paused';
    const namespace = this.#replica.delivered('namespaces').get('default');
    return says(namespace, pausedAnnotation) ? 'its namespace is paused' : undefined;
  }

  forbids(pod: Pod): string | undefined {
    const { labels = {}, annotations = {}, ownerReferences = [] } = pod.metadata;
    const label = Object.entries(enabled).every(([key, value]) => labels[key] === value);
    if (!label) return 'it is not labelled';
    const owner = ownerReferences.find(({ controller }) => controller === true);
    if (annotations[policyAnnotation] === 'retain') return 'its policy is retain';
    if (owner?.kind === 'DaemonSet') return 'it is a pod of a DaemonSet';
    if (owner === undefined && annotations[policyAnnotation] !== 'delete') return 'it is bare';
    const taint = { key: fencedTaint(this.#driver), effect: 'NoSchedule' };
    if (toleratesAll(pod.spec.tolerations ?? [], [taint])) return 'it tolerates our taint';
    return this.#volumesForbid(pod) ?? this.pauses(pod);
  }

  /** The attacher would take the volume from the id that the node goes by now. */
  otherNodeId(pod: Pod): string | undefined {
    const csinode = this.#replica.delivered('csinodes').get(pod.spec.nodeName ?? '');
    const { drivers = [] } = (csinode as CsiNode | undefined)?.spec ?? {};
    const current = drivers.find(({ name }) => name === this.#driver)?.nodeID;
    if (current === undefined) return undefined;
    const volumes = new Set(this.#volumesOf(pod).map(({ metadata }) => metadata.name));
    const other = this.attachments().some(({ metadata, spec }) => {
      const published = metadata.annotations?.[nodeIdAnnotation] ?? current;
      const own = spec.nodeName === pod.spec.nodeName && spec.attacher === this.#driver;
      return own && volumes.has(spec.source.persistentVolumeName ?? '') && published !== current;
    });
    return other ? 'its volume was published to another id of its node' : undefined;
  }

  #volumesForbid(pod: Pod): string | undefined {
    const { fence } = this.#replica.options.policy;
    if (fence.kind === 'unfenceable') return 'nothing fences its driver';
    const foreign = (pod.spec.volumes ?? []).some(({ nfs }) => nfs !== undefined);
    if (foreign) return 'it has an NFS volume';
    const pinned = this.#volumesOf(pod).some(({ spec }) => spec.nodeAffinity !== undefined);
    return pinned ? 'a volume of it is pinned' : undefined;
  }

  #volumesOf(pod: Pod): readonly PersistentVolume[] {
    return (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim: source }) => {
      if (source === undefined) return [];
      const found = this.#replica.delivered('claims').get(source.claimName, pod.metadata.namespace);
      const claim = found as PersistentVolumeClaim | undefined;
      const pv = this.#replica.delivered('pvs').get(claim?.spec.volumeName ?? '');
      return pv === undefined ? [] : [pv as PersistentVolume];
    });
  }
}

function says(object: AnyObject | undefined, annotation: string): boolean {
  return (object as Node | undefined)?.metadata.annotations?.[annotation] === 'true';
}
