import type { Instant } from '../shared/clock.ts';
import type { CleanAttestation, NodeReport } from '../shared/record.ts';
import type { NodeState } from './state.ts';
import { unhealthyVolumes, volumeCount } from './volume-views.ts';

/** Failures of the kubelet's health port in a row before it is called dead. */
const kubeletDeadAfter = 3;

/**
 * How many heartbeat intervals one look at the machine is worth. Looks are one interval apart and
 * bounded by a deadline, so that only several failing or hanging ones let it run out.
 */
const inspectionWorthIntervals = 10;

/** What the agent says of its node now; undefined until the boot id is known. */
export function reportOf(state: NodeState, now: Instant): NodeReport | undefined {
  const { bootId, views } = state;
  if (bootId === undefined) return undefined;
  const clean = cleanliness(state, now);
  const volumes = volumeCount(views);
  const report: { -readonly [Key in keyof NodeReport]: NodeReport[Key] } = {
    v: 1,
    bootId,
    nodeId: state.nodeId,
    // A driver that was never heard has been silent so far.
    driver: state.stopping ? 'stopping' : (state.driver ?? 'silent'),
    kubelet: kubeletWord(state),
    unhealthy: unhealthyVolumes(views),
  };
  if (volumes !== undefined) report.volumes = volumes;
  if (views.storage !== undefined) report.storage = views.storage;
  if (clean.kind === 'clean') report.clean = { epoch: clean.epoch, bootId };
  return report;
}

/**
 * What of a report must not wait for the next regular heartbeat. Counts and texts may: they change
 * all the time, and nobody acts on them alone.
 */
export function newsOf(report: NodeReport | undefined): string {
  if (report === undefined) return '';
  const { volumes: _, storage, unhealthy, ...rest } = report;
  const troubles = unhealthy.map(({ handle, status }) => [handle, status]);
  return JSON.stringify([rest, storage?.status, troubles]);
}

export type Cleanliness =
  /** No fence record asks for it. */
  | { readonly kind: 'not-asked' }
  | { readonly kind: 'unclean'; readonly because: string }
  | { readonly kind: 'clean'; readonly epoch: CleanAttestation['epoch'] };

/**
 * Whether this machine may attest that nothing of the fenced volumes is left. Asked only in phase
 * `Moved`, which the controller writes when the taint stands, every volume is fenced and every pod
 * is gone: before that an empty mount table could still fill up again.
 */
export function cleanliness(state: NodeState, now: Instant): Cleanliness {
  const { fence, inspection, inspections, cleaning } = state;
  if (fence?.record.phase !== 'Moved') return { kind: 'not-asked' };
  if (inspection === undefined) {
    const because = inspections.failure || 'the mount table was not read since the fence';
    return { kind: 'unclean', because };
  }
  if (now >= inspectionExpiresAt(state, inspection.beganAt)) {
    return { kind: 'unclean', because: 'the last look at the mount table is too old' };
  }
  const [first] = inspection.leftOvers;
  if (first === undefined) return { kind: 'clean', epoch: fence.record.epoch };
  const more = inspection.leftOvers.length - 1;
  const kept = cleaning.kept.find(({ path }) => path === first.path);
  const reason = kept === undefined ? first.reason : `${first.reason}: ${kept.because}`;
  return { kind: 'unclean', because: more === 0 ? reason : `${reason} (+${more})` };
}

/** From this moment on silence alone takes the attestation back. */
export function inspectionExpiresAt(state: NodeState, beganAt: Instant): Instant {
  return beganAt + inspectionWorthIntervals * state.settings.heartbeatIntervalMs;
}

function kubeletWord(state: NodeState): NodeReport['kubelet'] {
  const { seenOk, deadInARow } = state.kubelet;
  return seenOk && deadInARow >= kubeletDeadAfter ? 'dead' : 'ok';
}
