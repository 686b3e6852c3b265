import type { ServiceCapabilities } from './messages.ts';

/** What the driver's controller service can do, of what we could use. */
export interface ControllerCapabilities {
  readonly publishUnpublish: boolean;
  readonly listVolumes: boolean;
  readonly listVolumesPublishedNodes: boolean;
  readonly getVolume: boolean;
  /** CSI up to 1.12. */
  readonly volumeCondition: boolean;
  /** CSI from 1.13. */
  readonly getVolumeHealth: boolean;
  readonly listVolumeHealth: boolean;
}

/** The enum numbers of a capability listing; nulls and foreign kinds are passed over. */
export function capabilityNumbers(answer: ServiceCapabilities): ReadonlySet<number> {
  const numbers = (answer.capabilities ?? []).map((capability) => capability?.rpc?.type ?? 0);
  return new Set(numbers);
}

/** ControllerServiceCapability.RPC.Type; numbers that are not asked for here are ignored. */
export function controllerCapabilities(answer: ServiceCapabilities): ControllerCapabilities {
  const numbers = capabilityNumbers(answer);
  return {
    publishUnpublish: numbers.has(2),
    listVolumes: numbers.has(3),
    listVolumesPublishedNodes: numbers.has(10),
    volumeCondition: numbers.has(11),
    getVolume: numbers.has(12),
    // LIST_VOLUME_HEALTH implies GET_VOLUME_HEALTH.
    getVolumeHealth: numbers.has(16) || numbers.has(17),
    listVolumeHealth: numbers.has(17),
  };
}
