/** Whether a pod may stand on a node: tolerations, node selectors, affinity terms. */
import type { Node, NodeSelector, NodeTaint, PodToleration, Requirement } from './objects.ts';

/** core/v1 Toleration.ToleratesTaint. */
export function tolerates(toleration: PodToleration, taint: NodeTaint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return key !== '' && value === (taint.value ?? '');
}

export function toleratesAll(
  tolerations: readonly PodToleration[],
  taints: readonly NodeTaint[],
): boolean {
  return taints.every((taint) => tolerations.some((one) => tolerates(one, taint)));
}

/** Terms are ORed; no selector at all fits every node, an empty list of terms none. */
export function fitsSelector(node: Node, selector: NodeSelector | undefined): boolean {
  if (selector === undefined) return true;
  const labels = node.metadata.labels ?? {};
  const fields = { 'metadata.name': node.metadata.name };
  return selector.nodeSelectorTerms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length === 0 && matchFields.length === 0) return false;
    return (
      matchExpressions.every((requirement) => fits(labels, requirement)) &&
      matchFields.every((requirement) => fits(fields, requirement))
    );
  });
}

export function fitsLabels(
  node: Node,
  wanted: Readonly<Record<string, string>> | undefined,
): boolean {
  const labels = node.metadata.labels ?? {};
  return Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);
}

function fits(labels: Readonly<Record<string, string>>, requirement: Requirement): boolean {
  const { key, operator, values = [] } = requirement;
  const value = labels[key];
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
      return false;
  }
}
