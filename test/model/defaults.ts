/** What the API server fills in when an object is created: defaulting and admission. */
import type { JsonObject } from '../../src/shared/effect.ts';
import type { Node, PodSpec, PodToleration, ResourceName } from './objects.ts';

/** Seconds that pods tolerate not-ready and unreachable nodes (admission DefaultTolerationSeconds). */
export const defaultTolerationSeconds = 300;

export function withDefaults(resource: ResourceName, object: JsonObject): JsonObject {
  if (resource === 'pods') return podDefaults(object);
  if (resource === 'volumeattachments') return { ...object, status: { attached: false } };
  if (resource === 'nodes') return nodeDefaults(object);
  if (resource === 'namespaces') return { ...object, status: { phase: 'Active' } };
  // No binder is modelled: claims and volumes are static and bound as they are created.
  const bound = resource === 'persistentvolumes' || resource === 'persistentvolumeclaims';
  return bound ? { ...object, status: object.status ?? { phase: 'Bound' } } : object;
}

/** A node takes nothing before it was seen to be ready (admission TaintNodesByCondition). */
function nodeDefaults(object: JsonObject): JsonObject {
  const spec = (object.spec ?? {}) as NonNullable<Node['spec']>;
  const taints = spec.taints ?? [];
  const key = 'node.kubernetes.io/not-ready';
  const effect = 'NoSchedule';
  if (taints.some((taint) => taint.key === key && taint.effect === effect)) return object;
  return { ...object, spec: { ...spec, taints: [...taints, { key, effect }] } };
}

function podDefaults(object: JsonObject): JsonObject {
  const spec = (object.spec ?? {}) as PodSpec;
  return {
    ...object,
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      ...spec,
      tolerations: defaultTolerations(spec.tolerations ?? []),
    },
    // A pod may not bring a status of its own, except in tests that set the stage.
    status: object.status ?? { phase: 'Pending' },
  };
}

function defaultTolerations(given: readonly PodToleration[]): readonly PodToleration[] {
  const added: PodToleration[] = [];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const covered = given.some(
      (toleration) =>
        (toleration.key === undefined || toleration.key === '' || toleration.key === key) &&
        (toleration.effect === undefined ||
          toleration.effect === '' ||
          toleration.effect === 'NoExecute'),
    );
    if (!covered) {
      added.push({
        key,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: defaultTolerationSeconds,
      });
    }
  }
  return [...given, ...added];
}
