/**
 * What anybody says of the health of one volume, in the words that both generations of CSI and our
 * own looks are put into. Two views are kept apart everywhere: the storage's, which the driver's
 * controller service tells, and that of one node.
 */

export const healthStatuses = [
  /** Somebody looked and found nothing adverse. The absence of a word is not this. */
  'Healthy',
  /** CSI 1.13 INACCESSIBLE, a dead path, a file system that went read-only: no use of it here. */
  'Inaccessible',
  /** Whoever looked got no answer in time, again and again. */
  'Hung',
  /** VolumeCondition of CSI up to 1.12: `abnormal`, whatever that means to the driver. */
  'Abnormal',
  /** CSI 1.13 DATA_LOSS. Another node would find the same data. */
  'DataLoss',
  /** CSI 1.13 DEGRADED: works, but not at its best. */
  'Degraded',
  /** A failed call, a number that nobody knows, no word at all: neither good nor bad. */
  'Unknown',
] as const;

export type HealthStatus = (typeof healthStatuses)[number];

export interface VolumeHealth {
  readonly status: HealthStatus;
  /** One word for machines: the driver's (CSI 1.13) or the name of our own finding. */
  readonly reason: string;
  /** For people, as the driver put it; one line, at most `maxHealthMessage` characters. */
  readonly message: string;
}

/** Drivers put whole stack traces into messages; people and 8 KiB of a report need a line. */
export const maxHealthMessage = 200;

/** A volume that is of no use to whoever asked: what may, with more evidence, move a pod. */
export function isBad({ status }: Pick<VolumeHealth, 'status'>): boolean {
  return status === 'Inaccessible' || status === 'Hung' || status === 'Abnormal';
}

/** From what weighs most to what weighs least; `Unknown` outweighs `Healthy`. */
const byWeight: readonly HealthStatus[] = [
  'Inaccessible',
  'Hung',
  'Abnormal',
  'DataLoss',
  'Degraded',
  'Unknown',
  'Healthy',
];

/** The one that weighs most; of equals the first. Nothing adverse said is `Healthy`. */
export function worstHealth(said: readonly VolumeHealth[]): VolumeHealth {
  let worst: VolumeHealth = { status: 'Healthy', reason: '', message: '' };
  for (const health of said) {
    if (byWeight.indexOf(health.status) < byWeight.indexOf(worst.status)) worst = health;
  }
  return worst;
}

/** For people: control characters and line breaks gone, cut to what a report has room for. */
export function oneLine(text: string | undefined): string {
  if (typeof text !== 'string') return '';
  const line = text
    .slice(0, 8 * maxHealthMessage)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  if (line.length <= maxHealthMessage) return line.toWellFormed();
  // A character of two halves may have been cut in the middle.
  return `${line.slice(0, maxHealthMessage - 1).toWellFormed()}…`;
}
