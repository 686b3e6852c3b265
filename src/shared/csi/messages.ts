/**
 * The wire shapes of proto/csi.proto as they arrive: a driver may leave out anything, so every
 * field is optional and nothing is believed before it was looked at. Numbers of enums stay
 * numbers, because unknown ones must be ignored, not refused.
 */

type Nothing = Readonly<Record<string, never>>;

export interface PluginInfo {
  readonly name?: string;
  readonly vendor_version?: string;
}

export interface PluginCapabilities {
  readonly capabilities?: readonly ({
    readonly service?: { readonly type?: number } | null;
  } | null)[];
}

export interface ProbeAnswer {
  readonly ready?: { readonly value?: boolean } | null;
}

/** The same shape for the controller and the node service. */
export interface ServiceCapabilities {
  readonly capabilities?: readonly ({ readonly rpc?: { readonly type?: number } | null } | null)[];
}

/** CSI up to 1.12. */
export interface VolumeCondition {
  readonly abnormal?: boolean;
  readonly message?: string;
}

/** CSI from 1.13: `VolumeHealth` on the wire. */
export interface HealthOfVolume {
  readonly volume_id?: string;
  readonly health_statuses?: readonly (AdverseStatus | null)[];
}

/** Of a volume or of a node's way to the storage; their numbers mean different things. */
export interface AdverseStatus {
  readonly status?: number;
  readonly reason?: string;
  readonly message?: string;
}

export interface StorageHealth extends AdverseStatus {
  /** Only volumes of this kind are concerned; absent: all. */
  readonly volume_capability?: object | null;
}

export interface VolumeStatus {
  readonly published_node_ids?: readonly string[];
  readonly volume_condition?: VolumeCondition | null;
}

export interface VolumeEntry {
  readonly volume?: { readonly volume_id?: string } | null;
  readonly status?: VolumeStatus | null;
}

export interface ListVolumesAnswer {
  readonly entries?: readonly (VolumeEntry | null)[];
  readonly next_token?: string;
}

export interface ListVolumeHealthAnswer {
  readonly entries?: readonly (HealthOfVolume | null)[];
  readonly next_token?: string;
}

/** Without `max_entries`: some drivers that are given one repeat their first page for ever. */
interface PageRequest {
  readonly starting_token?: string;
}

export interface NodeInfo {
  readonly node_id?: string;
}

interface NodeVolumeRequest {
  readonly volume_id: string;
  /** Absent where the volume is not staged. */
  readonly staging_target_path?: string;
}

/** Every call that the product makes: method to request and answer. */
export interface Calls {
  '/csi.v1.Identity/GetPluginInfo': { request: Nothing; answer: PluginInfo };
  '/csi.v1.Identity/GetPluginCapabilities': { request: Nothing; answer: PluginCapabilities };
  '/csi.v1.Identity/Probe': { request: Nothing; answer: ProbeAnswer };
  '/csi.v1.Controller/ControllerGetCapabilities': { request: Nothing; answer: ServiceCapabilities };
  '/csi.v1.Controller/ListVolumes': {
    request: PageRequest;
    answer: ListVolumesAnswer;
  };
  '/csi.v1.Controller/ControllerGetVolume': {
    request: { readonly volume_id: string };
    answer: VolumeEntry;
  };
  '/csi.v1.Controller/ControllerListVolumeHealth': {
    request: PageRequest;
    answer: ListVolumeHealthAnswer;
  };
  '/csi.v1.Controller/ControllerGetVolumeHealth': {
    request: { readonly volume_id: string };
    answer: { readonly volume_health?: HealthOfVolume | null };
  };
  '/csi.v1.Node/NodeGetCapabilities': { request: Nothing; answer: ServiceCapabilities };
  '/csi.v1.Node/NodeGetInfo': { request: Nothing; answer: NodeInfo };
  '/csi.v1.Node/NodeGetVolumeStats': {
    request: NodeVolumeRequest & { readonly volume_path: string };
    answer: { readonly volume_condition?: VolumeCondition | null };
  };
  '/csi.v1.Node/NodeGetVolumeHealth': {
    request: NodeVolumeRequest & { readonly volume_publish_path: string };
    answer: { readonly volume_health?: HealthOfVolume | null };
  };
  '/csi.v1.Node/NodeGetStorageHealth': {
    request: Nothing;
    answer: { readonly backend_health?: readonly (StorageHealth | null)[] };
  };
  '/csi.v1.Node/NodeUnpublishVolume': {
    request: { readonly volume_id: string; readonly target_path: string };
    answer: Nothing;
  };
  '/csi.v1.Node/NodeUnstageVolume': {
    request: { readonly volume_id: string; readonly staging_target_path: string };
    answer: Nothing;
  };
}

export type CallPath = keyof Calls;
