/** The few validation rules of the API server that a wrong write of ours would trip over. */
import type { AnyObject, Node, NodeTaint, ResourceName } from './objects.ts';

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const namePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const annotationsLimitBytes = 256 * 1024;

/**
 * The reason why the API server would answer 422, or undefined. What is the very same as in the
 * stored object was found to be valid when that was written.
 */
export function invalidity(
  resource: ResourceName,
  object: AnyObject,
  old?: AnyObject,
): string | undefined {
  const { name, labels, annotations, finalizers } = object.metadata;
  const before = old?.metadata;
  if (name !== before?.name && !isSubdomain(name)) {
    return `metadata.name: Invalid value: "${name}": a lowercase RFC 1123 subdomain is required`;
  }
  return (
    (labels === before?.labels ? undefined : invalidLabels(labels ?? {})) ??
    (annotations === before?.annotations ? undefined : invalidAnnotations(annotations ?? {})) ??
    (finalizers === before?.finalizers
      ? undefined
      : invalidKeys('metadata.finalizers', finalizers ?? [])) ??
    (resource === 'nodes' ? invalidTaints((object as Node).spec?.taints ?? []) : undefined)
  );
}

function invalidLabels(labels: Readonly<Record<string, string>>): string | undefined {
  const bad = Object.values(labels).find((value) => !labelValue(value));
  if (bad !== undefined) return `metadata.labels: Invalid value: "${bad}"`;
  return invalidKeys('metadata.labels', Object.keys(labels));
}

function invalidAnnotations(annotations: Readonly<Record<string, string>>): string | undefined {
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (typeof value !== 'string') return `metadata.annotations: ${key}: a string is required`;
    size += key.length + value.length;
  }
  if (size > annotationsLimitBytes) return 'metadata.annotations: Too long: at most 262144 bytes';
  // Annotation keys are compared in lower case by the API server, label keys are not.
  return invalidKeys(
    'metadata.annotations',
    Object.keys(annotations).map((key) => key.toLowerCase()),
  );
}

function invalidKeys(field: string, keys: readonly string[]): string | undefined {
  const bad = keys.find((key) => !qualifiedName(key));
  return bad === undefined ? undefined : `${field}: Invalid value: "${bad}": not a qualified name`;
}

function invalidTaints(taints: readonly NodeTaint[]): string | undefined {
  const seen = new Set<string>();
  for (const { key, value = '', effect } of taints) {
    if (!qualifiedName(key)) return `spec.taints: Invalid value: "${key}": not a qualified name`;
    if (!labelValue(value)) return `spec.taints: Invalid value: "${value}"`;
    if (!['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect)) {
      return `spec.taints: Unsupported value: "${effect}"`;
    }
    const identity = `${key}:${effect}`;
    if (seen.has(identity))
      return `spec.taints: Duplicate value: taints must be unique by key and effect`;
    seen.add(identity);
  }
  return undefined;
}

function labelValue(value: string): boolean {
  return typeof value === 'string' && value.length <= 63 && (value === '' || namePart.test(value));
}

/** The same few names are written again and again. */
const known = { subdomain: new Map<string, boolean>(), qualifiedName: new Map<string, boolean>() };
const mostKnown = 10_000;

function remember(
  answers: Map<string, boolean>,
  key: string,
  judge: (key: string) => boolean,
): boolean {
  let answer = answers.get(key);
  if (answer === undefined) {
    if (answers.size >= mostKnown) answers.clear();
    answer = judge(key);
    answers.set(key, answer);
  }
  return answer;
}

function isSubdomain(name: string): boolean {
  return remember(known.subdomain, name, (one) => one.length <= 253 && subdomain.test(one));
}

export function qualifiedName(key: string): boolean {
  return remember(known.qualifiedName, key, isQualifiedName);
}

function isQualifiedName(key: string): boolean {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2 || name.length > 63 || !namePart.test(name)) return false;
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  return prefix === undefined || (prefix.length <= 253 && subdomain.test(prefix));
}
