/** What somebody tries with the token of an agent that he stole from a node. */
import {
  driverLabel,
  enabledLabel,
  fenceAnnotation,
  heartbeatLease,
  leaderLease,
} from '../../src/shared/names.ts';
import type { JsonObject } from '../../src/shared/effect.ts';
import type { ApiAnswer, ApiClient } from '../machine/api-client.ts';
import type { Lease, Metadata } from '../model/objects.ts';
import { controllerAccount, driver, namespace } from './rendered.ts';

/** It is in everything that a thief writes, so that it shows if he succeeds. */
export const mark = 'thief';

export interface Loot {
  /** With the stolen token. */
  readonly thief: ApiClient;
  /** The node that it was stolen from; its heartbeat carries a fence record. */
  readonly node: string;
  /** Another node with a heartbeat, without a record. */
  readonly other: string;
  /** A node that has no heartbeat yet. */
  readonly silent: string;
  /** Reads for him what he may not read himself. */
  readonly admin: ApiClient;
}

type Theft = (loot: Loot) => Promise<ApiAnswer<unknown>>;

const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

export const leaseThefts: Readonly<Record<string, Theft>> = {
  'keep another node alive': (loot) => rewrite(loot, beatOf(loot.other), (lease) => renewed(lease)),
  'keep another node alive in the name of his own': (loot) =>
    rewrite(loot, beatOf(loot.other), (lease) => renewed(lease, loot.node)),
  'create the heartbeat of another node': ({ thief, silent }) =>
    thief.create('leases', heartbeatOf(silent)),
  'create it in the name of his own': ({ thief, silent, node }) =>
    thief.create('leases', heartbeatOf(silent, node)),
  'pass for another node in his own heartbeat': (loot) =>
    rewrite(loot, beatOf(loot.node), (lease) => renewed(lease, loot.other)),
  'change the fence record': (loot) =>
    rewrite(loot, beatOf(loot.node), edited({ annotations: { [fenceAnnotation]: mark } })),
  'remove the fence record': (loot) =>
    rewrite(loot, beatOf(loot.node), edited({ annotations: { [mark]: '' } })),
  'hide heartbeat and record from the controller': (loot) =>
    rewrite(loot, beatOf(loot.node), edited({ labels: { [driverLabel]: mark } })),
  'have the record cleared away with an owner that is not there': (loot) =>
    rewrite(loot, beatOf(loot.node), edited({ ownerReferences: [owner] })),
  'keep the Lease for ever by a finalizer': (loot) =>
    rewrite(loot, beatOf(loot.node), edited({ finalizers: [`example.test/${mark}`] })),
  'take the leadership': (loot) => rewrite(loot, leaderLease(driver), (lease) => renewed(lease)),
  "take that of the driver's other sidecars": (loot) =>
    rewrite(loot, 'external-attacher-leader', (lease) => renewed(lease)),
  'create a Lease of another name': ({ thief, node }) =>
    thief.create('leases', { ...heartbeatOf(node), metadata: { namespace, name: mark } }),
  'renew the Lease of a kubelet': ({ thief, other, admin }) =>
    rewrite({ thief, admin }, other, (lease) => renewed(lease), 'kube-node-lease'),
};

/** Refused by RBAC alone; the policy refuses them again where other roles allow them. */
export const moreLeaseThefts: Readonly<Record<string, Theft>> = {
  'patch the fence record': ({ thief, node }) =>
    thief.patch('leases', placeOf(node), {
      metadata: { annotations: { [fenceAnnotation]: mark } },
    }),
  'delete his own heartbeat, and the record with it': ({ thief, node }) =>
    thief.delete('leases', placeOf(node), { gracePeriodSeconds: 0 }),
  'delete all Leases': ({ thief }) => thief.call('DELETE', leases),
};

const pod = { namespace: 'shop', name: 'mysql-0' };
const attachment = { name: 'csi-1' };
const note = { metadata: { annotations: { [mark]: '' } } };
const own = `/api/v1/namespaces/${namespace}`;

export const otherThefts: Readonly<Record<string, Theft>> = {
  'list the Leases of the cluster': ({ thief }) =>
    thief.call('GET', '/apis/coordination.k8s.io/v1/leases'),
  'delete a pod': ({ thief }) => thief.delete('pods', pod, { gracePeriodSeconds: 0 }),
  'label a pod': ({ thief }) =>
    thief.patch('pods', pod, { metadata: { labels: { [enabledLabel]: mark } } }),
  'call a pod failed': ({ thief }) =>
    thief.patch('pods', { ...pod, subresource: 'status' }, { status: { phase: 'Failed' } }),
  'create a pod': ({ thief }) =>
    thief.create('pods', {
      metadata: { namespace, name: mark },
      spec: { containers: [{ name: mark, image: mark }] },
    }),
  'read pods': ({ thief }) => thief.get('pods', pod),
  'taint a node': ({ thief, other }) =>
    thief.patch(
      'nodes',
      { name: other },
      { spec: { taints: [{ key: mark, effect: 'NoExecute' }] } },
    ),
  'take the taints off his own node': ({ thief, node }) =>
    thief.patch('nodes', { name: node }, { ...note, spec: { taints: null } }),
  'write the status of his own node': ({ thief, node }) =>
    thief.patch('nodes', { name: node, subresource: 'status' }, note),
  'delete a VolumeAttachment': ({ thief }) =>
    thief.delete('volumeattachments', attachment, { gracePeriodSeconds: 0 }),
  'take the hold off a VolumeAttachment': ({ thief }) =>
    thief.patch('volumeattachments', attachment, { metadata: { finalizers: null } }),
  'tell an Event': ({ thief }) =>
    thief.create('events', {
      metadata: { namespace, name: mark },
      involvedObject: { kind: 'Node', name: mark },
    }),
  'write the switches': ({ thief }) =>
    thief.create('configmaps', {
      metadata: { namespace, name: 'csi-failover' },
      data: { 'storm-override': mark },
    }),
  'read Secrets': ({ thief }) => thief.call('GET', `${own}/secrets`),
  "get a token of the controller's account": ({ thief }) =>
    thief.call('POST', `${own}/serviceaccounts/${controllerAccount}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [] },
    }),
  'say by the RoleBinding that he is no agent': ({ thief }) =>
    thief.call(
      'PATCH',
      `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings/csi-failover-node-agent-test-driver`,
      { metadata: { labels: { [driverLabel]: mark } } },
      'application/merge-patch+json',
    ),
};

const owner = { apiVersion: 'v1', kind: 'Node', name: mark, uid: mark };

function beatOf(node: string): string {
  return heartbeatLease(driver, node);
}

function placeOf(node: string): { readonly namespace: string; readonly name: string } {
  return { namespace, name: beatOf(node) };
}

/** Of this node, in its own name unless another one is given. */
export function heartbeatOf(node: string, holder = node): JsonObject {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...placeOf(node), labels: { [driverLabel]: driver } },
    spec: { holderIdentity: `${holder}/${mark}`, leaseDurationSeconds: 10 },
  };
}

function renewed(lease: Lease, node?: string): Lease {
  const holder = node ?? lease.spec?.holderIdentity?.split('/')[0] ?? '';
  const spec = { ...lease.spec, holderIdentity: `${holder}/${mark}` };
  return { ...lease, spec };
}

function edited(metadata: Partial<Metadata>): (lease: Lease) => Lease {
  return (lease) => ({ ...lease, metadata: { ...lease.metadata, ...metadata } });
}

/** With the right resourceVersion: nothing but the rights stands in his way. */
async function rewrite(
  { thief, admin }: Pick<Loot, 'thief' | 'admin'>,
  name: string,
  change: (lease: Lease) => Lease,
  home = namespace,
): Promise<ApiAnswer<unknown>> {
  const { object } = await admin.get('leases', { namespace: home, name });
  if (object === undefined) throw new Error(`there is no Lease ${name}`);
  return await thief.update('leases', change(object));
}
