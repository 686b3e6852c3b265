import { describe, expect, it } from '@jest/globals';
import protobuf from 'protobufjs';
import { compileDescriptor } from '../../../../build/descriptor.ts';
import descriptor from '../../../../proto/csi.json' with { type: 'json' };
import { csiMethods } from '../../../../src/shared/csi/definition.ts';

/** The CSI specification's numbers, up to 1.12 and from 1.13, of everything that we declare. */
const fields: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  GetPluginInfoRequest: {},
  GetPluginInfoResponse: { name: 1, vendor_version: 2 },
  GetPluginCapabilitiesRequest: {},
  GetPluginCapabilitiesResponse: { capabilities: 1 },
  PluginCapability: { service: 1 },
  'PluginCapability.Service': { type: 1 },
  ProbeRequest: {},
  ProbeResponse: { ready: 1 },
  BoolValue: { value: 1 },
  ControllerGetCapabilitiesRequest: {},
  ControllerGetCapabilitiesResponse: { capabilities: 1 },
  ControllerServiceCapability: { rpc: 1 },
  'ControllerServiceCapability.RPC': { type: 1 },
  Volume: { volume_id: 2 },
  VolumeCondition: { abnormal: 1, message: 2 },
  ListVolumesRequest: { max_entries: 1, starting_token: 2 },
  ListVolumesResponse: { entries: 1, next_token: 2 },
  'ListVolumesResponse.Entry': { volume: 1, status: 2 },
  'ListVolumesResponse.VolumeStatus': { published_node_ids: 1, volume_condition: 2 },
  ControllerGetVolumeRequest: { volume_id: 1 },
  ControllerGetVolumeResponse: { volume: 1, status: 2 },
  'ControllerGetVolumeResponse.VolumeStatus': { published_node_ids: 1, volume_condition: 2 },
  ControllerListVolumeHealthRequest: { max_entries: 1, starting_token: 2 },
  ControllerListVolumeHealthResponse: { entries: 1, next_token: 2 },
  ControllerGetVolumeHealthRequest: { volume_id: 1 },
  ControllerGetVolumeHealthResponse: { volume_health: 1 },
  VolumeHealth: { volume_id: 1, health_statuses: 2 },
  VolumeHealthStatus: { status: 1, reason: 2, message: 3 },
  NodeGetCapabilitiesRequest: {},
  NodeGetCapabilitiesResponse: { capabilities: 1 },
  NodeServiceCapability: { rpc: 1 },
  'NodeServiceCapability.RPC': { type: 1 },
  NodeGetInfoRequest: {},
  NodeGetInfoResponse: { node_id: 1 },
  NodeGetVolumeStatsRequest: { volume_id: 1, volume_path: 2, staging_target_path: 3 },
  NodeGetVolumeStatsResponse: { usage: 1, volume_condition: 2 },
  VolumeUsage: { available: 1, total: 2, used: 3, unit: 4 },
  NodeGetVolumeHealthRequest: { volume_id: 1, volume_publish_path: 2, staging_target_path: 3 },
  NodeGetVolumeHealthResponse: { volume_health: 1 },
  NodeGetStorageHealthRequest: {},
  NodeGetStorageHealthResponse: { backend_health: 1 },
  NodeUnpublishVolumeRequest: { volume_id: 1, target_path: 2 },
  NodeUnpublishVolumeResponse: {},
  NodeUnstageVolumeRequest: { volume_id: 1, staging_target_path: 2 },
  NodeUnstageVolumeResponse: {},
  StorageHealth: { status: 1, reason: 2, message: 3, volume_capability: 4 },
  ConcernedKind: {},
};

const enums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'PluginCapability.Service.Type': {
    UNKNOWN: 0,
    CONTROLLER_SERVICE: 1,
    VOLUME_ACCESSIBILITY_CONSTRAINTS: 2,
  },
  'ControllerServiceCapability.RPC.Type': {
    UNKNOWN: 0,
    CREATE_DELETE_VOLUME: 1,
    PUBLISH_UNPUBLISH_VOLUME: 2,
    LIST_VOLUMES: 3,
    LIST_VOLUMES_PUBLISHED_NODES: 10,
    VOLUME_CONDITION: 11,
    GET_VOLUME: 12,
    GET_VOLUME_HEALTH: 16,
    LIST_VOLUME_HEALTH: 17,
  },
  VolumeHealthErrorType: {
    VOLUME_HEALTH_ERROR_UNKNOWN: 0,
    DEGRADED: 1,
    INACCESSIBLE: 2,
    DATA_LOSS: 3,
  },
  'NodeServiceCapability.RPC.Type': {
    UNKNOWN: 0,
    STAGE_UNSTAGE_VOLUME: 1,
    GET_VOLUME_STATS: 2,
    VOLUME_CONDITION: 4,
    GET_VOLUME_HEALTH: 7,
    GET_STORAGE_HEALTH: 8,
  },
  'VolumeUsage.Unit': { UNKNOWN: 0, BYTES: 1, INODES: 2 },
  StorageHealthErrorType: {
    STORAGE_HEALTH_ERROR_UNKNOWN: 0,
    STORAGE_DEGRADED: 1,
    STORAGE_UNREACHABLE: 2,
  },
};

const paths = [
  '/csi.v1.Identity/GetPluginInfo',
  '/csi.v1.Identity/GetPluginCapabilities',
  '/csi.v1.Identity/Probe',
  '/csi.v1.Controller/ControllerGetCapabilities',
  '/csi.v1.Controller/ListVolumes',
  '/csi.v1.Controller/ControllerGetVolume',
  '/csi.v1.Controller/ControllerListVolumeHealth',
  '/csi.v1.Controller/ControllerGetVolumeHealth',
  '/csi.v1.Node/NodeGetCapabilities',
  '/csi.v1.Node/NodeGetInfo',
  '/csi.v1.Node/NodeGetVolumeStats',
  '/csi.v1.Node/NodeGetVolumeHealth',
  '/csi.v1.Node/NodeGetStorageHealth',
  '/csi.v1.Node/NodeUnpublishVolume',
  '/csi.v1.Node/NodeUnstageVolume',
];

function declared() {
  const messages: Record<string, Record<string, number>> = {};
  const numbers: Record<string, Record<string, number>> = {};
  const visit = (parent: protobuf.NamespaceBase) => {
    for (const entry of parent.nestedArray) {
      const name = entry.fullName.replace('.csi.v1.', '');
      if (entry instanceof protobuf.Enum) numbers[name] = entry.values;
      if (entry instanceof protobuf.Type) {
        messages[name] = Object.fromEntries(entry.fieldsArray.map((f) => [f.name, f.id]));
      }
      if (entry instanceof protobuf.Namespace) visit(entry);
    }
  };
  visit(protobuf.Root.fromJSON(descriptor as protobuf.INamespace));
  return { messages, numbers };
}

describe('csi.proto', () => {
  it('numbers every field as the specification does', () => {
    expect(declared().messages).toEqual(fields);
  });

  it('numbers every enum value as the specification does', () => {
    expect(declared().numbers).toEqual(enums);
  });

  it('has the paths of the specification', () => {
    expect([...csiMethods.keys()].sort()).toEqual([...paths].sort());
  });

  it('is what csi.json says; otherwise run `node build/descriptor.ts`', () => {
    expect(descriptor).toEqual(JSON.parse(JSON.stringify(compileDescriptor())));
  });
});
