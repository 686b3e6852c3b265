import type { ApiClient } from '../machine/api-client.ts';

/** As if the driver had registered anew under this id: its entry cannot be changed, only replaced. */
export async function setNodeId(api: ApiClient, node: string, nodeID: string): Promise<void> {
  const { object } = await api.get('csinodes', { name: node });
  if (object === undefined) throw new Error(`no CSINode ${node}`);
  const { uid, name, ownerReferences = [] } = object.metadata;
  await api.delete('csinodes', { name }, { uid, gracePeriodSeconds: 0 });
  const drivers = object.spec.drivers.map((driver) => ({ ...driver, nodeID }));
  const renewed = { metadata: { name, ownerReferences }, spec: { drivers } };
  const { status, message } = await api.create('csinodes', renewed);
  if (status !== 201) throw new Error(`CSINode ${node}: ${message}`);
}
