import { CsiError } from './reply.ts';

/** A file system on one node: what Kubernetes asks for on behalf of an ordinary pod. */
const fileSystem = { mount: {}, access_mode: { mode: 1 } };

const one = ['ControllerPublishVolume', 'NodeStageVolume', 'NodePublishVolume'];
const many = ['CreateVolume', 'ValidateVolumeCapabilities'];

/** The request with what the volume is to be used as, where CSI demands that it is said. */
export function withCapability(method: string, request: object): object {
  if (one.includes(method)) return { volume_capability: fileSystem, ...request };
  if (many.includes(method)) return { volume_capabilities: [fileSystem], ...request };
  return request;
}

/** Refuses a request that does not say what the volume is to be used as; any use is fine. */
export function requireCapability(
  method: string,
  request: Readonly<Record<string, unknown>>,
): void {
  const { volume_capability: single, volume_capabilities: list } = request;
  const said = Array.isArray(list) ? list.length > 0 : single !== undefined && single !== null;
  if (said || !(one.includes(method) || many.includes(method))) return;
  throw new CsiError('INVALID_ARGUMENT', 'the volume capability is missing');
}
