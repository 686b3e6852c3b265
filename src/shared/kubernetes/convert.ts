/**
 * Kubernetes objects as JSON to the views of model.ts: the border behind which nothing doubts its
 * input any more. Nulls, missing fields and wrong types become the empty value. What a view keeps
 * are copies: JSON.parse makes each string anew (V8 copies, it does not slice), so that no view
 * pins the line or the page it came from.
 */
import type { JsonObject } from '../effect.ts';
import type {
  AttachmentView,
  ClaimView,
  CsiDriverView,
  CsiNodeView,
  LeaseView,
  NodeRequirement,
  NodeSelectorTerms,
  NodeView,
  ObjectView,
  PvView,
  SwitchView,
  Taint,
} from '../model.ts';
import { domain, nodeIdAnnotation, storageCondition } from '../names.ts';
import { claimHealth, unreachableStorage } from './convert-health.ts';
import { interned } from './interned.ts';
import { listIn, numberIn, objectIn, textIn, textMapIn, textsIn } from '../untrusted-json.ts';

export function identityOf(json: JsonObject): ObjectView {
  const metadata = objectIn(json.metadata);
  return {
    namespace: interned(textIn(metadata.namespace)),
    name: textIn(metadata.name),
    uid: textIn(metadata.uid),
    resourceVersion: textIn(metadata.resourceVersion),
  };
}

/** Annotations that we or people wrote for us: keys `csi-failover.io/…`, by default only those. */
export function ownAnnotations(
  json: JsonObject,
  prefixes: readonly string[] = [`${domain}/`],
): Record<string, string> {
  return textMapIn(objectIn(json.metadata).annotations, (key) =>
    prefixes.some((prefix) => key.startsWith(prefix)),
  );
}

export function isDeleting(json: JsonObject): boolean {
  return textIn(objectIn(json.metadata).deletionTimestamp) !== '';
}

export function finalizersOf(json: JsonObject): string[] {
  return textsIn(objectIn(json.metadata).finalizers).map(interned);
}

export function nodeView(json: JsonObject): NodeView {
  const spec = objectIn(json.spec);
  const status = objectIn(json.status);
  return {
    ...identityOf(json),
    kind: 'node',
    ready: readiness(status),
    unschedulable: spec.unschedulable === true,
    deleting: isDeleting(json),
    taints: listIn(spec.taints).map(taint),
    labels: textMapIn(objectIn(json.metadata).labels),
    annotations: ownAnnotations(json),
    bootId: textIn(objectIn(status.nodeInfo).bootID),
    volumesInUse: textsIn(status.volumesInUse),
    volumesAttached: listIn(status.volumesAttached)
      .map((volume) => textIn(objectIn(volume).name))
      .filter((name) => name !== ''),
    ...ownConditions(status),
  };
}

function ownConditions(status: JsonObject): Pick<NodeView, 'conditions'> {
  const own = listIn(status.conditions)
    .map(objectIn)
    .filter(({ type }) => textIn(type).startsWith(storageCondition('')));
  if (own.length === 0) return {};
  const conditions = own.map(
    ({ type, status: word, reason }) =>
      [textIn(type), `${textIn(word)} ${textIn(reason)}`] as const,
  );
  return { conditions: Object.fromEntries(conditions) };
}

/** What is not clearly True or False is Unknown, as for the node lifecycle controller. */
function readiness(status: JsonObject): NodeView['ready'] {
  const ready = listIn(status.conditions)
    .map(objectIn)
    .find((condition) => condition.type === 'Ready');
  return ready?.status === 'True' || ready?.status === 'False' ? ready.status : 'Unknown';
}

function taint(json: unknown): Taint {
  const fields = objectIn(json as JsonObject);
  return {
    key: interned(textIn(fields.key)),
    value: interned(textIn(fields.value)),
    effect: interned(textIn(fields.effect)),
  };
}

/** A core/v1 NodeSelector; undefined if there is none. An empty term matches nothing. */
export function nodeSelectorTerms(selector: JsonObject): NodeSelectorTerms | undefined {
  if (!Array.isArray(selector.nodeSelectorTerms)) return undefined;
  return listIn(selector.nodeSelectorTerms).map((term) => {
    const { matchExpressions, matchFields } = objectIn(term);
    return [
      ...listIn(matchExpressions).map((entry) => requirement(false, objectIn(entry))),
      ...listIn(matchFields).map((entry) => requirement(true, objectIn(entry))),
    ];
  });
}

function requirement(field: boolean, json: JsonObject): NodeRequirement {
  return {
    field,
    key: interned(textIn(json.key)),
    operator: interned(textIn(json.operator)),
    values: textsIn(json.values).map(interned),
  };
}

export function claimView(json: JsonObject): ClaimView {
  return {
    ...identityOf(json),
    kind: 'claim',
    pv: textIn(objectIn(json.spec).volumeName),
    ...claimHealth(objectIn(json.status)),
  };
}

export function pvView(json: JsonObject): PvView {
  const spec = objectIn(json.spec);
  const csi = objectIn(spec.csi);
  const claim = objectIn(spec.claimRef);
  return {
    ...identityOf(json),
    kind: 'pv',
    driver: interned(textIn(csi.driver)),
    handle: textIn(csi.volumeHandle),
    claimNamespace: interned(textIn(claim.namespace)),
    claimName: textIn(claim.name),
    claimUid: textIn(claim.uid),
    shared: isShared(textsIn(spec.accessModes)),
    nodeAffinity: nodeSelectorTerms(objectIn(objectIn(spec.nodeAffinity).required)),
  };
}

/** Attached to a second node without a word (pkg/volume/util, IsMultiAttachAllowed). */
function isShared(modes: readonly string[]): boolean {
  return modes.length === 0 || modes.includes('ReadWriteMany') || modes.includes('ReadOnlyMany');
}

export function attachmentView(json: JsonObject): AttachmentView {
  const spec = objectIn(json.spec);
  const status = objectIn(json.status);
  return {
    ...identityOf(json),
    kind: 'attachment',
    driver: interned(textIn(spec.attacher)),
    pv: textIn(objectIn(spec.source).persistentVolumeName),
    nodeName: interned(textIn(spec.nodeName)),
    attached: status.attached === true,
    deleting: isDeleting(json),
    finalizers: finalizersOf(json),
    nodeId: interned(textIn(objectIn(objectIn(json.metadata).annotations)[nodeIdAnnotation])),
    detachError: textIn(objectIn(status.detachError).message),
  };
}

export function csiNodeView(json: JsonObject): CsiNodeView {
  const nodeIds = new Map<string, string>();
  for (const entry of listIn(objectIn(json.spec).drivers)) {
    const { name, nodeID } = objectIn(entry);
    if (textIn(name) !== '') nodeIds.set(interned(textIn(name)), textIn(nodeID));
  }
  return {
    ...identityOf(json),
    kind: 'csinode',
    nodeIds: Object.fromEntries(nodeIds),
    ...unreachableStorage(objectIn(json.status)),
  };
}

/** `attachRequired` is true unless it says false (storage/v1 CSIDriverSpec). */
export function csiDriverView(json: JsonObject): CsiDriverView {
  return {
    ...identityOf(json),
    kind: 'csidriver',
    attachRequired: objectIn(json.spec).attachRequired !== false,
  };
}

export function leaseView(json: JsonObject): LeaseView {
  const spec = objectIn(json.spec);
  return {
    ...identityOf(json),
    kind: 'lease',
    holder: textIn(spec.holderIdentity),
    renewTime: textIn(spec.renewTime),
    durationMs: numberIn(spec.leaseDurationSeconds) * 1000,
    labels: textMapIn(objectIn(json.metadata).labels),
    annotations: ownAnnotations(json),
  };
}

export function namespaceView(json: JsonObject): SwitchView {
  return { ...identityOf(json), kind: 'namespace', values: ownAnnotations(json) };
}

export function configMapView(json: JsonObject): SwitchView {
  return { ...identityOf(json), kind: 'configmap', values: textMapIn(json.data) };
}
