/** The writes of an episode by what they do, so that one can be named in advance and met again. */
import {
  fenceAnnotation,
  holdFinalizer,
  intentAnnotation,
  leaderLease,
  outOfServiceTaint,
} from '../../src/shared/names.ts';
import { decodeFenceRecord } from '../../src/shared/record.ts';
import type { RequestRecord } from '../double/api-server.ts';
import { type ApiPath, parseApiPath } from '../double/request-path.ts';
import { isObject } from '../model/json.ts';
import type { Store } from '../model/store.ts';

/**
 * Undefined for everything that changes nothing of the cluster's: reads, Events, and renewals of
 * the leader's own Lease. Pods go by their label `app`. The store is asked how things stand before
 * the request.
 */
export function requestWord(
  request: RequestRecord,
  store: Store,
  driver: string,
): string | undefined {
  const path = parseApiPath(request.path);
  if (!request.mutating || path === undefined) return undefined;
  const asked = { ...request, ...path, metadata: field(request.body, 'metadata') };
  switch (path.resource) {
    case 'events':
      return undefined;
    case 'leases':
      return leaseWord(asked, driver);
    case 'nodes':
      return taintWord(taintsIn(store.find('nodes', path.name)), taintsIn(request.body));
    case 'pods':
      return podWord(asked, store, driver);
    case 'volumeattachments':
      return attachmentWord(asked, store);
    default:
      return `${request.method} ${request.path}`;
  }
}

type Asked = Omit<RequestRecord, keyof ApiPath> & ApiPath & { readonly metadata: unknown };

function leaseWord({ name, metadata }: Asked, driver: string): string | undefined {
  if (name === leaderLease(driver) || (name === '' && !isHeartbeat(metadata))) return undefined;
  const text = field(field(metadata, 'annotations'), fenceAnnotation);
  const record = typeof text === 'string' ? decodeFenceRecord(text) : undefined;
  return `record ${record?.phase ?? 'removed'}`;
}

function podWord(
  { method, subresource, name, namespace, metadata }: Asked,
  store: Store,
  driver: string,
): string {
  const app = store.find('pods', name, namespace)?.metadata.labels?.['app'] ?? name;
  if (method === 'DELETE') return `delete ${app}`;
  if (subresource === 'status') return `fail ${app}`;
  const intent = field(field(metadata, 'annotations'), intentAnnotation(driver));
  return `intent ${typeof intent === 'string' ? 'on' : 'off'} ${app}`;
}

function attachmentWord({ method, name, metadata }: Asked, store: Store): string {
  const attachment = store.find('volumeattachments', name);
  const pv = attachment?.spec.source.persistentVolumeName ?? name;
  if (method === 'DELETE') return `delete attachment of ${pv}`;
  const finalizers = field(metadata, 'finalizers');
  const holds = Array.isArray(finalizers) && finalizers.includes(holdFinalizer);
  return `hold ${holds ? 'on' : 'off'} ${pv}`;
}

/** The first request to a cluster without a leader creates its Lease, as it does a heartbeat's. */
function isHeartbeat(metadata: unknown): boolean {
  return field(field(metadata, 'annotations'), fenceAnnotation) !== undefined;
}

function taintWord(before: ReadonlySet<string>, after: ReadonlySet<string>): string {
  const added = [...after.difference(before)].map((key) => `taint ${key} on`);
  const removed = [...before.difference(after)].map((key) => `taint ${key} off`);
  return [...added, ...removed].join(', ') || 'taints as they are';
}

/** Ours by a short name, whatever the driver is called. */
function taintsIn(node: unknown): ReadonlySet<string> {
  const taints = field(field(node, 'spec'), 'taints');
  const keys = (Array.isArray(taints) ? taints : []).map((taint) => String(field(taint, 'key')));
  return new Set(
    keys.map((key) => (key === outOfServiceTaint ? 'out-of-service' : (key.split('.')[0] ?? key))),
  );
}

function field(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}
