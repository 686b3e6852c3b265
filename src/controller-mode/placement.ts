import type {
  NodeRequirement,
  NodeSelectorTerms,
  NodeView,
  PodView,
  Taint,
  Toleration,
} from '../shared/model.ts';

/** Whether a pod tolerates a taint (core/v1 Toleration.ToleratesTaint). */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (effect === '' || effect === taint.effect) &&
      (key === '' ? operator === 'Exists' : key === taint.key) &&
      (operator === 'Exists' || value === taint.value),
  );
}

/**
 * Whether the scheduler could put this pod on this node, by selectors, affinity and taints alone.
 */
export function fits(
  pod: PodView,
  node: NodeView,
  volumeAffinities: readonly NodeSelectorTerms[],
): boolean {
  const affinities = [...volumeAffinities, ...(pod.nodeAffinity ? [pod.nodeAffinity] : [])];
  return (
    Object.entries(pod.nodeSelector).every(([key, value]) => node.labels[key] === value) &&
    affinities.every((terms) => matchesAny(terms, node)) &&
    node.taints.every(
      (taint) => taint.effect === 'PreferNoSchedule' || tolerates(pod.tolerations, taint),
    )
  );
}

/** Terms are ORed; a term without requirements matches nothing (core/v1 NodeSelectorTerm). */
export function matchesAny(terms: NodeSelectorTerms, node: NodeView): boolean {
  return terms.some(
    (term) => term.length > 0 && term.every((requirement) => matches(requirement, node)),
  );
}

function matches({ field, key, operator, values }: NodeRequirement, node: NodeView): boolean {
  const value = field ? (key === 'metadata.name' ? node.name : undefined) : node.labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      // An operator that we do not know proves no place.
      return false;
  }
}
