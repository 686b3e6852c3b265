/** What NodePublish leaves at the target for the runtime that starts the pod's writer. */
export interface Device {
  /** `host:port`. */
  readonly array: string;
  /** `<handle>@<nodeId>`. */
  readonly export: string;
}

/** The file below a target path that holds a Device. */
export const deviceFile = 'device.json';
