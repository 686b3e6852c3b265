import { eventsGroup } from './event-form.ts';
import { kinds, type ResourceKind, type ResourceName } from '../model/objects.ts';

/** What a URL of the Kubernetes API names. */
export interface ApiPath {
  readonly resource: ResourceName;
  /** `events.k8s.io` shows Events in its own form; otherwise the kind's own group. */
  readonly group: string;
  /** Empty: cluster-scoped, or all namespaces. */
  readonly namespace: string;
  /** Empty: the collection. */
  readonly name: string;
  readonly subresource: string;
}

/** Undefined for everything that this API server does not serve. */
export function parseApiPath(pathname: string): ApiPath | undefined {
  const words = decode(pathname);
  const core = words[0] === 'api' && words[1] === 'v1';
  if (!core && !(words[0] === 'apis' && words[2] === 'v1')) return undefined;
  const group = core ? '' : (words[1] ?? '');
  const rest = words.slice(core ? 2 : 3);
  const known = isNamespaced(rest) ? rest.slice(2) : rest;
  const namespace = known === rest ? '' : (rest[1] ?? '');
  const [plural = '', name = '', subresource = '', ...surplus] = known;
  const kind = served(plural, group);
  if (kind === undefined || surplus.length > 0) return undefined;
  if (name !== '' && kind.namespaced !== (namespace !== '')) return undefined;
  return { resource: kind.resource, group, namespace, name, subresource };
}

/** Events are served by two groups. */
function served(plural: string, group: string): ResourceKind | undefined {
  const kind = kinds.get(plural as ResourceName);
  const second = plural === 'events' && group === eventsGroup;
  return kind?.group === group || second ? kind : undefined;
}

function decode(pathname: string): readonly string[] {
  try {
    return decodeURIComponent(pathname)
      .split('/')
      .filter((part) => part !== '');
  } catch {
    return [];
  }
}

/** `namespaces/<ns>/<resource>...`, but not `namespaces/<name>/status`, which is about a Namespace. */
function isNamespaced(words: readonly string[]): boolean {
  return words[0] === 'namespaces' && words.length > 2 && kinds.has(words[2] as ResourceName);
}
