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
import { parseApiPath } from '../double/request-path.ts';
import { isObject } from '../model/json.ts';
import type { Store } from '../model/store.ts';

/**
 * Undefined for everything that changes nothing of the cluster's: reads, Events, and renewals of
 * the leader's own Lease. The store is asked how things stand before the request.
 */
export function requestWord(
  { method, path: pathname, body, mutating }: RequestRecord,
  store: Store,
  driver: string,
): string | undefined {
  const path = parseApiPath(pathname);
  if (!mutating || path === undefined || path.resource === 'events') return undefined;
  const { resource, namespace, name, subresource } = path;
  const metadata = field(body, 'metadata');
  switch (resource) {
    case 'leases': {
      if (name === leaderLease(driver) || (name === '' && !isHeartbeat(metadata))) return undefined;
      const text = field(field(metadata, 'annotations'), fenceAnnotation);
      const record = typeof text === 'string' ? decodeFenceRecord(text) : undefined;
      return `record ${record?.phase ?? 'removed'}`;
    }
    case 'nodes':
      return taintWord(taintsIn(store.find('nodes', name)), taintsIn(body));
    case 'pods': {
      if (method === 'DELETE') return `delete ${name}`;
      if (subresource === 'status') return `fail ${name}`;
      const intent = field(field(metadata, 'annotations'), intentAnnotation(driver));
      return `intent ${typeof intent === 'string' ? 'on' : 'off'} ${name}`;
    }
    case 'volumeattachments': {
      const attachment = store.find('volumeattachments', name);
      const pv = attachment?.spec.source.persistentVolumeName ?? 'nobody knows what';
      if (method === 'DELETE') return `delete attachment of ${pv}`;
      const finalizers = field(metadata, 'finalizers');
      const holds = Array.isArray(finalizers) && finalizers.includes(holdFinalizer);
      return `hold ${holds ? 'on' : 'off'} ${pv}`;
    }
    default:
      return `${method} ${namespace}/${name} of ${resource}`;
  }
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
