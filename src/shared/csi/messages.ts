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

export interface VolumeStatus {
  readonly published_node_ids?: readonly string[];
  readonly volume_condition?: { readonly abnormal?: boolean; readonly message?: string } | null;
}

export interface VolumeEntry {
  readonly volume?: { readonly volume_id?: string } | null;
  readonly status?: VolumeStatus | null;
}

export interface ListVolumesAnswer {
  readonly entries?: readonly (VolumeEntry | null)[];
  readonly next_token?: string;
}

export interface NodeInfo {
  readonly node_id?: string;
}

/** Every call that the product makes: method to request and answer. */
export interface Calls {
  '/csi.v1.Identity/GetPluginInfo': { request: Nothing; answer: PluginInfo };
  '/csi.v1.Identity/GetPluginCapabilities': { request: Nothing; answer: PluginCapabilities };
  '/csi.v1.Identity/Probe': { request: Nothing; answer: ProbeAnswer };
  '/csi.v1.Controller/ControllerGetCapabilities': { request: Nothing; answer: ServiceCapabilities };
  '/csi.v1.Controller/ListVolumes': {
    request: { readonly max_entries?: number; readonly starting_token?: string };
    answer: ListVolumesAnswer;
  };
  '/csi.v1.Node/NodeGetCapabilities': { request: Nothing; answer: ServiceCapabilities };
  '/csi.v1.Node/NodeGetInfo': { request: Nothing; answer: NodeInfo };
}

export type CallPath = keyof Calls;
