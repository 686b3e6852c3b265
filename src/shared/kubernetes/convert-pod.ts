import type { Json, JsonObject } from '../effect.ts';
import type { VolumeHealth } from '../health.ts';
import type { Owner, PodView, PodVolume, Toleration } from '../model.ts';
import { domain } from '../names.ts';
import { adverseVolumes } from './convert-health.ts';
import {
  finalizersOf,
  identityOf,
  isDeleting,
  nodeSelectorTerms,
  ownAnnotations,
} from './convert.ts';
import { interned } from './interned.ts';
import { listIn, objectIn, textIn, textMapIn } from '../untrusted-json.ts';
import { type LabelSelector, selects } from '../label-selector.ts';

/** Set by the kubelet on the API's picture of a static pod (pkg/kubelet/types/pod_update.go). */
const mirrorAnnotation = 'kubernetes.io/config.mirror';
const ownPrefixes = [`${domain}/`, `intent.${domain}/`];

/** A pod is `selected` if one of the selectors selects it. */
export function podView(json: JsonObject, selectors: readonly LabelSelector[]): PodView {
  const metadata = objectIn(json.metadata);
  const spec = objectIn(json.spec);
  const identity = identityOf(json);
  const owners = listIn(metadata.ownerReferences).map(objectIn);
  const labels = textMapIn(metadata.labels);
  return {
    kind: 'pod',
    ...identity,
    nodeName: interned(textIn(spec.nodeName)),
    phase: phaseOf(objectIn(json.status).phase),
    deleting: isDeleting(json),
    finalizers: finalizersOf(json),
    owner: ownerOf(owners.find((owner) => owner.controller === true)),
    selected: selectors.some((selector) => selects(selector, labels)),
    annotations: ownAnnotations(json, ownPrefixes),
    mirror:
      mirrorAnnotation in objectIn(metadata.annotations) ||
      owners.some((owner) => owner.kind === 'Node'),
    // The API server fills in Always; anything else is said explicitly.
    restartPolicy: interned(textIn(spec.restartPolicy) || 'Always'),
    nodeSelector: textMapIn(spec.nodeSelector),
    nodeAffinity: requiredNodeAffinity(spec),
    tolerations: listIn(spec.tolerations).map(toleration),
    volumes: withHealth(
      listIn(spec.volumes).flatMap((volume) => podVolume(identity.name, objectIn(volume))),
      adverseVolumes(objectIn(json.status)),
    ),
  };
}

function withHealth(
  volumes: readonly PodVolume[],
  adverse: ReadonlyMap<string, VolumeHealth>,
): readonly PodVolume[] {
  if (adverse.size === 0) return volumes;
  return volumes.map((volume) => {
    const health = adverse.get(volume.name);
    return volume.kind !== 'claim' || health === undefined
      ? volume
      : { ...volume, adverse: health };
  });
}

function phaseOf(json: Json | undefined): PodView['phase'] {
  switch (textIn(json)) {
    case 'Pending':
      return 'Pending';
    case 'Running':
      return 'Running';
    case 'Succeeded':
      return 'Succeeded';
    case 'Failed':
      return 'Failed';
    default:
      return 'Unknown';
  }
}

function ownerOf(json: JsonObject | undefined): Owner | undefined {
  if (json === undefined) return undefined;
  return {
    kind: interned(textIn(json.kind)),
    name: interned(textIn(json.name)),
    uid: interned(textIn(json.uid)),
  };
}

function requiredNodeAffinity(spec: JsonObject): PodView['nodeAffinity'] {
  const nodeAffinity = objectIn(objectIn(spec.affinity).nodeAffinity);
  return nodeSelectorTerms(objectIn(nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution));
}

/** A toleration without operator means Equal (core/v1 Toleration). */
function toleration(json: Json): Toleration {
  const fields = objectIn(json);
  return {
    key: interned(textIn(fields.key)),
    operator: interned(textIn(fields.operator) || 'Equal'),
    value: interned(textIn(fields.value)),
    effect: interned(textIn(fields.effect)),
  };
}

/** Volumes whose contents belong to the pod, the node or the API: there is nothing to fence. */
const localSources: ReadonlySet<string> = new Set([
  'emptyDir',
  'configMap',
  'secret',
  'projected',
  'downwardAPI',
  'image',
  'hostPath',
]);

/**
 * One volume of a pod: nothing, if it is local; a claim; or foreign. Whatever we do not know, do
 * not understand or find ambiguous is foreign and writable, because a volume that is overlooked
 * could be written from two nodes.
 */
export function podVolume(pod: string, volume: JsonObject): readonly PodVolume[] {
  const name = textIn(volume.name);
  const sources = Object.keys(volume).filter((key) => key !== 'name' && isSet(volume[key]));
  const [source] = sources;
  if (source === undefined || sources.length > 1) {
    return [{ kind: 'foreign', name, source: source ?? 'unknown', readOnly: false }];
  }
  if (localSources.has(source)) return [];
  const fields = objectIn(volume[source]);
  const readOnly = fields.readOnly === true;
  const claim = claimOf(pod, name, source, fields);
  if (claim !== '') return [{ kind: 'claim', name, claim, readOnly }];
  return [{ kind: 'foreign', name, source: interned(source), readOnly }];
}

/** A generic ephemeral volume's claim is named `<pod>-<volume>` (component-helpers ephemeral). */
function claimOf(pod: string, volume: string, source: string, fields: JsonObject): string {
  if (source === 'persistentVolumeClaim') return textIn(fields.claimName);
  return source === 'ephemeral' ? `${pod}-${volume}` : '';
}

function isSet(json: Json | undefined): boolean {
  return json !== undefined && json !== null;
}
