/** What the two services can do, for whoever starts a driver: apart from gRPC, which takes long to load. */

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

/** NodeServiceCapability.RPC.Type. */
export const nodeCapabilityNumbers: Readonly<Record<string, number>> = {
  STAGE_UNSTAGE_VOLUME: 1,
  GET_VOLUME_STATS: 2,
  VOLUME_CONDITION: 4,
  GET_VOLUME_HEALTH: 7,
  GET_STORAGE_HEALTH: 8,
};

export const defaultNodeCapabilities: readonly string[] = [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
];
