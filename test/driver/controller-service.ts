import { type ArrayAdmin, ArrayError } from '../array/admin-client.ts';
import type { AdminAnswer, VolumeInfo, VolumeState } from '../array/storage-array.ts';
import type { FaultTable } from './faults.ts';
import { conditionOf, type Health, healthOf, healthy, type Lie, saidOf } from './health.ts';
import type { Code } from './reply.ts';
import { CsiError, optional, required } from './reply.ts';
import { controllerCapabilityNumbers } from './service-capabilities.ts';
import type { Handler, Handlers } from './services.ts';
import { capabilityAnswer } from './services.ts';

export interface ControllerOptions {
  readonly admin: ArrayAdmin;
  readonly capabilities: readonly string[];
  /** Ids of all nodes that there are; undefined: it takes any for one. */
  readonly knownNodes?: readonly string[] | undefined;
  readonly faults: FaultTable;
}

/** The controller service over the array's administration; every call may be repeated. */
export function controllerHandlers(options: ControllerOptions): Handlers {
  const { admin, capabilities, knownNodes } = options;
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
      await volumeOf(admin, request);
      return { confirmed: { volume_capabilities: request.volume_capabilities } };
    },
    ...listingHandlers(options),
  };
}

const healthOfState: Readonly<Record<VolumeState, Health>> = {
  ok: healthy,
  degraded: { status: 'Degraded', reason: 'ReplicaLost' },
  lossy: { status: 'DataLoss', reason: 'BlocksLost' },
  offline: { status: 'Inaccessible', reason: 'VolumeOffline' },
};

type Request = Parameters<Handler>[0];

/** What there is, and how it is, in both generations of CSI. */
function listingHandlers({ admin, capabilities, faults }: ControllerOptions): Handlers {
  const can = (capability: string) => capabilities.includes(capability);
  const said = ({ handle, state }: VolumeInfo): Lie =>
    saidOf(faults.lies, handle, healthOfState[state]);
  const entry = (volume: VolumeInfo) => ({
    volume: { volume_id: volume.handle },
    status: {
      ...(can('LIST_VOLUMES_PUBLISHED_NODES') && { published_node_ids: volume.publishedNodes }),
      ...(can('VOLUME_CONDITION') && conditionOf(said(volume))),
    },
  });
  const isAdverse = (volume: VolumeInfo) => {
    const lie = said(volume);
    return lie !== 'nothing' && lie.status !== 'Healthy';
  };
  const health = (volume: VolumeInfo) => healthOf(volume.handle, said(volume));
  return {
    ListVolumes: async (request) => page(await volumesOf(admin), request, entry),
    ControllerGetVolume: async (request) => entry(await volumeOf(admin, request)),
    ...(can('LIST_VOLUME_HEALTH') && {
      // A volume of which nothing adverse is known should be left out (KEP-1432).
      ControllerListVolumeHealth: async (request) =>
        page((await volumesOf(admin)).filter(isAdverse), request, health),
    }),
    ...(can('GET_VOLUME_HEALTH') && {
      ControllerGetVolumeHealth: async (request) => {
        const volume = await volumeOf(admin, request);
        return said(volume) === 'nothing' ? {} : { volume_health: health(volume) };
      },
    }),
  };
}

/** Fails as a driver does whose array is not there, or as the array does. */
async function volumesOf(admin: ArrayAdmin): Promise<readonly VolumeInfo[]> {
  try {
    return await admin.volumes();
  } catch (error: unknown) {
    const code = error instanceof ArrayError ? (error.code as Code) : 'UNAVAILABLE';
    throw new CsiError(code, Error.isError(error) ? error.message : String(error));
  }
}

async function volumeOf(admin: ArrayAdmin, request: Request): Promise<VolumeInfo> {
  const handle = required(request, 'volume_id');
  const volume = (await volumesOf(admin)).find((each) => each.handle === handle);
  if (volume === undefined) throw new CsiError('NOT_FOUND', `no volume ${handle}`);
  return volume;
}

function page(
  volumes: readonly VolumeInfo[],
  request: Request,
  entry: (volume: VolumeInfo) => object,
): object {
  const sorted = volumes.toSorted((a, b) => (a.handle < b.handle ? -1 : 1));
  const token = optional(request, 'starting_token');
  const begin = token === '' ? 0 : Number(token);
  const count = Number(request.max_entries ?? 0);
  if (count < 0) throw new CsiError('INVALID_ARGUMENT', 'max_entries is negative');
  if (!Number.isInteger(begin) || begin < 0 || begin > sorted.length) {
    throw new CsiError('ABORTED', 'no such starting_token');
  }
  const end = count === 0 ? sorted.length : Math.min(sorted.length, begin + count);
  const entries = sorted.slice(begin, end).map(entry);
  return end < sorted.length ? { entries, next_token: String(end) } : { entries };
}

function expectOk(answer: AdminAnswer): void {
  if (answer.kind === 'error') throw new CsiError(answer.code as Code, answer.message);
}
