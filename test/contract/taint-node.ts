import type { NodeTaint } from '../model/objects.ts';
import type { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';

/** Others write to the node, too: its kubelet, attach/detach. Who comes too late looks again. */
export async function taintNode(
  api: ApiClient,
  name: string,
  taints: readonly NodeTaint[],
): Promise<void> {
  const isTainted = async (): Promise<boolean> => {
    const { object } = await api.get('nodes', { name });
    const { resourceVersion } = object?.metadata ?? {};
    const all = [...(object?.spec?.taints ?? []), ...taints];
    const body = { metadata: { resourceVersion }, spec: { taints: all } };
    const { status, message } = await api.patch('nodes', { name }, body as never);
    if (status !== 200 && status !== 409) throw new Error(`taints of ${name}: ${message}`);
    return status === 200;
  };
  await eventually(isTainted, { what: `${name} to be tainted`, withinMs: 5_000 });
}
