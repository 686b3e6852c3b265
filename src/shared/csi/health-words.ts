/**
 * What drivers of both generations say of a volume, put into our words. Silence is never health:
 * a missing condition or a number that nobody knows reads as `Unknown`.
 */
import { oneLine, type VolumeHealth, worstHealth } from '../health.ts';
import type { HealthOfVolume, VolumeCondition } from './messages.ts';

/** CSI up to 1.12. A message is no sign of anything: healthy drivers send texts, too. */
export function healthOfCondition(condition: VolumeCondition | null | undefined): VolumeHealth {
  if (condition === undefined || condition === null) return noWord;
  const message = oneLine(condition.message);
  // A healthy condition is an empty message on the wire: present, with nothing in it.
  return condition.abnormal === true
    ? { status: 'Abnormal', reason: 'VolumeCondition', message }
    : { status: 'Healthy', reason: '', message: '' };
}

/** CSI from 1.13: the worst of the statuses. None at all means that nothing adverse is known. */
export function healthOfStatuses(health: HealthOfVolume | null | undefined): VolumeHealth {
  if (health === undefined || health === null) return noWord;
  const statuses = health.health_statuses ?? [];
  return worstHealth(
    statuses.map((entry) => ({
      status: statusOfNumber(entry?.status),
      reason: oneLine(entry?.reason),
      message: oneLine(entry?.message),
    })),
  );
}

const noWord: VolumeHealth = { status: 'Unknown', reason: 'NoWord', message: '' };

/** VolumeHealthErrorType. CSI: a CO must ignore types that it does not know. */
function statusOfNumber(status: number | undefined): VolumeHealth['status'] {
  if (status === 1) return 'Degraded';
  if (status === 2) return 'Inaccessible';
  return status === 3 ? 'DataLoss' : 'Unknown';
}
