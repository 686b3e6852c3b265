import type { Outcome } from '../outcome.ts';
import { failed } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';
import { capabilityNumbers } from './controller-capabilities.ts';

/** What the driver's node service can do, of what we could use. */
export interface NodeCapabilities {
  readonly stageUnstage: boolean;
  readonly volumeStats: boolean;
  /** CSI up to 1.12. */
  readonly volumeCondition: boolean;
  /** CSI from 1.13. */
  readonly volumeHealth: boolean;
  readonly storageHealth: boolean;
}

/** The id by which the storage knows this node; an empty one is a failure, never passed on. */
export async function readNodeId(
  connection: CsiConnection,
  deadlineMs: number,
): Promise<{ readonly outcome: Outcome; readonly nodeId: string }> {
  const { outcome, answer } = await connection.call('/csi.v1.Node/NodeGetInfo', {}, { deadlineMs });
  if (answer === undefined) return { outcome, nodeId: '' };
  if (typeof answer.node_id === 'string' && answer.node_id !== '') {
    return { outcome, nodeId: answer.node_id };
  }
  return { outcome: failed('NO_NODE_ID', 'NodeGetInfo answered without an id'), nodeId: '' };
}

/** Undefined capabilities mean that the driver did not tell: not the same as "none". */
export async function readNodeCapabilities(
  connection: CsiConnection,
  deadlineMs: number,
): Promise<{ readonly outcome: Outcome; readonly capabilities: NodeCapabilities | undefined }> {
  const path = '/csi.v1.Node/NodeGetCapabilities';
  const { outcome, answer } = await connection.call(path, {}, { deadlineMs });
  if (answer === undefined) return { outcome, capabilities: undefined };
  // NodeServiceCapability.RPC.Type; numbers that are not asked for here are ignored.
  const numbers = capabilityNumbers(answer);
  return {
    outcome,
    capabilities: {
      stageUnstage: numbers.has(1),
      volumeStats: numbers.has(2),
      volumeCondition: numbers.has(4),
      volumeHealth: numbers.has(7),
      storageHealth: numbers.has(8),
    },
  };
}

/** Takes the volume from the one place where a pod had it (CSI, NodeUnpublishVolume). */
export async function unpublishVolume(
  connection: CsiConnection,
  volume: { readonly handle: string; readonly path: string },
  deadlineMs: number,
): Promise<Outcome> {
  const request = { volume_id: volume.handle, target_path: volume.path };
  const path = '/csi.v1.Node/NodeUnpublishVolume';
  return (await connection.call(path, request, { deadlineMs })).outcome;
}

/** Takes it off the node; only when no pod there has it (CSI, NodeUnstageVolume). */
export async function unstageVolume(
  connection: CsiConnection,
  volume: { readonly handle: string; readonly path: string },
  deadlineMs: number,
): Promise<Outcome> {
  const request = { volume_id: volume.handle, staging_target_path: volume.path };
  const path = '/csi.v1.Node/NodeUnstageVolume';
  return (await connection.call(path, request, { deadlineMs })).outcome;
}
