import type { Outcome } from '../outcome.ts';
import { failed } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';

/** `ok`: it answers; `silent`: no answer in time; `refused`: nobody is behind the socket. */
export type Liveness = 'ok' | 'silent' | 'refused';

/** PluginCapability.Service.Type CONTROLLER_SERVICE. */
const controllerService = 1;

export interface DriverName {
  readonly outcome: Outcome;
  /** Empty unless the outcome is Done. */
  readonly name: string;
  readonly version: string;
}

/** Asks the driver for its name. An empty one is a failure: the specification requires it. */
export async function readDriverName(
  connection: CsiConnection,
  deadlineMs: number,
): Promise<DriverName> {
  const path = '/csi.v1.Identity/GetPluginInfo';
  const { outcome, answer } = await connection.call(path, {}, { deadlineMs });
  if (answer === undefined) return { outcome, name: '', version: '' };
  if (typeof answer.name !== 'string' || answer.name === '') {
    const nameless = failed('NO_NAME', 'GetPluginInfo answered without a name');
    return { outcome: nameless, name: '', version: '' };
  }
  return { outcome, name: answer.name, version: answer.vendor_version ?? '' };
}

/** Whether the driver says that it serves the controller's calls on this socket. */
export async function readControllerService(
  connection: CsiConnection,
  deadlineMs: number,
): Promise<{ readonly outcome: Outcome; readonly present: boolean }> {
  const path = '/csi.v1.Identity/GetPluginCapabilities';
  const { outcome, answer } = await connection.call(path, {}, { deadlineMs });
  const present = (answer?.capabilities ?? []).some(
    (capability) => capability?.service?.type === controllerService,
  );
  return { outcome, present };
}

/**
 * Whether somebody answers behind the socket. Any answer counts, also "not ready" and an error:
 * what the driver thinks of its backend is another question than whether its process lives.
 */
export async function probe(connection: CsiConnection, deadlineMs: number): Promise<Liveness> {
  const { outcome } = await connection.call('/csi.v1.Identity/Probe', {}, { deadlineMs });
  return livenessOf(outcome);
}

export function livenessOf(outcome: Outcome): Liveness {
  if (outcome.kind === 'Done') return 'ok';
  // No socket file, connection refused and connection lost all come as UNAVAILABLE.
  if (outcome.code === 'UNAVAILABLE') return 'refused';
  return outcome.code === 'DEADLINE_EXCEEDED' || outcome.code === 'CANCELLED' ? 'silent' : 'ok';
}
