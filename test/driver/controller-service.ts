import type { ArrayAdmin } from '../array/admin-client.ts';
import type { AdminAnswer, VolumeInfo } from '../array/storage-array.ts';
import type { Code } from './reply.ts';
import { CsiError, optional, required } from './reply.ts';
import type { Handlers } from './services.ts';
import { capabilityAnswer } from './services.ts';

/** ControllerServiceCapability.RPC.Type. */
export const controllerCapabilityNumbers: Readonly<Record<string, number>> = {
  CREATE_DELETE_VOLUME: 1,
  PUBLISH_UNPUBLISH_VOLUME: 2,
  LIST_VOLUMES: 3,
  LIST_VOLUMES_PUBLISHED_NODES: 10,
  VOLUME_CONDITION: 11,
  GET_VOLUME: 12,
  GET_VOLUME_HEALTH: 16,
  LIST_VOLUME_HEALTH: 17,
};

export const defaultControllerCapabilities: readonly string[] = [
  'CREATE_DELETE_VOLUME',
  'PUBLISH_UNPUBLISH_VOLUME',
  'LIST_VOLUMES',
  'LIST_VOLUMES_PUBLISHED_NODES',
  'GET_VOLUME',
];

export interface ControllerOptions {
  readonly admin: ArrayAdmin;
  readonly capabilities: readonly string[];
  /** Ids of all nodes that there are; undefined: it takes any for one. */
  readonly knownNodes?: readonly string[] | undefined;
}

/** The controller service over the array's administration; every call may be repeated. */
export function controllerHandlers(options: ControllerOptions): Handlers {
  const { admin, capabilities, knownNodes } = options;
  const listsNodes = capabilities.includes('LIST_VOLUMES_PUBLISHED_NODES');
  const entry = ({ handle, publishedNodes }: VolumeInfo) => ({
    volume: { volume_id: handle },
    status: listsNodes ? { published_node_ids: publishedNodes } : {},
  });
  return {
    ControllerGetCapabilities: () => capabilityAnswer(capabilities, controllerCapabilityNumbers),
    CreateVolume: async (request) => {
      const name = required(request, 'name');
      const range = request.capacity_range as { required_bytes?: number } | undefined;
      const bytes = range?.required_bytes ?? 64 * 1024 * 1024;
      expectOk(await admin.create(name, bytes));
      return { volume: { volume_id: name, capacity_bytes: bytes } };
    },
    DeleteVolume: async (request) => {
      expectOk(await admin.delete(required(request, 'volume_id')));
      return {};
    },
    ControllerPublishVolume: async (request) => {
      const handle = required(request, 'volume_id');
      const nodeId = required(request, 'node_id');
      if (knownNodes?.includes(nodeId) === false) throw new CsiError('NOT_FOUND', `no ${nodeId}`);
      expectOk(await admin.publish(handle, nodeId));
      return { publish_context: { export: `${handle}@${nodeId}` } };
    },
    // Without a node id: from all nodes. An unknown volume is published nowhere, so that is OK.
    ControllerUnpublishVolume: async (request) => {
      const handle = required(request, 'volume_id');
      expectOk(await admin.unpublish(handle, optional(request, 'node_id')));
      return {};
    },
    ValidateVolumeCapabilities: async (request) => {
      const handle = required(request, 'volume_id');
      if ((await admin.volumes()).every((each) => each.handle !== handle)) {
        throw new CsiError('NOT_FOUND', `no volume ${handle}`);
      }
      return { confirmed: { volume_capabilities: request.volume_capabilities } };
    },
    ListVolumes: async (request) => {
      const volumes = (await admin.volumes()).toSorted((a, b) => (a.handle < b.handle ? -1 : 1));
      const token = optional(request, 'starting_token');
      const begin = token === '' ? 0 : Number(token);
      const count = Number(request.max_entries ?? 0);
      if (count < 0) throw new CsiError('INVALID_ARGUMENT', 'max_entries is negative');
      if (!Number.isInteger(begin) || begin < 0 || begin > volumes.length) {
        throw new CsiError('ABORTED', 'no such starting_token');
      }
      const end = count === 0 ? volumes.length : Math.min(volumes.length, begin + count);
      const entries = volumes.slice(begin, end).map(entry);
      return end < volumes.length ? { entries, next_token: String(end) } : { entries };
    },
    ControllerGetVolume: async (request) => {
      const handle = required(request, 'volume_id');
      const volume = (await admin.volumes()).find((each) => each.handle === handle);
      if (volume === undefined) throw new CsiError('NOT_FOUND', `no volume ${handle}`);
      return entry(volume);
    },
  };
}

function expectOk(answer: AdminAnswer): void {
  if (answer.kind === 'error') throw new CsiError(answer.code as Code, answer.message);
}
