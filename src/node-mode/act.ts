import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { performKubernetes } from '../shared/kubernetes/client.ts';
import { HeartbeatLease } from '../shared/kubernetes/heartbeat-lease.ts';
import type { Transport } from '../shared/kubernetes/transport.ts';
import type { Logger } from '../shared/log.ts';
import { objectIn } from '../shared/untrusted-json.ts';
import { fenceAnnotation, heartbeatLease } from '../shared/names.ts';
import { done, failed, type Outcome, outcomeOfHttp, unknown } from '../shared/outcome.ts';
import { decodeFenceRecord } from '../shared/record.ts';
import type { Action, RenewHeartbeat, Unmount, UnmountVolume } from './actions.ts';
import type { DriverPaths, Machine } from './clean.ts';
import type { Fact } from './facts.ts';
import { Look } from './look.ts';
import { cleaningOf } from './unmount.ts';

/** Our own Lease. Ends by a deadline of its own. */
export interface HeartbeatPort {
  renew(content: { readonly bootId: string; readonly report: string }): Promise<HeartbeatAnswer>;
  /** Reads it consistently, and writes nothing. */
  look(): Promise<HeartbeatAnswer>;
}

/** The driver's node service. Ends by a deadline of its own. */
export interface UnmountPort {
  unmount(unmount: Unmount): Promise<Outcome>;
}

export interface HeartbeatAnswer {
  /** Done: the compare-and-swap was acknowledged. */
  readonly outcome: Outcome;
  /** The fence annotation as it stands beside what was written. */
  readonly fence: string | undefined;
}

export interface ActOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly heartbeat: HeartbeatPort;
  /** Reads the whole machine or rejects. */
  readonly inspect: (signal: AbortSignal) => Promise<Machine>;
  readonly inspectDeadlineMs: number;
  readonly driver: UnmountPort;
  readonly paths: DriverPaths;
  readonly post: (fact: Fact) => void;
  /** The last renewal, the one that says `stopping`, was acknowledged. */
  readonly onLastRenewal: () => void;
}

/** The only code of node mode that touches the world on a decision. */
export function createAct(options: ActOptions): (action: Action) => Promise<Outcome> {
  const { clock, inspectDeadlineMs, inspect } = options;
  const look = new Look({ clock, deadlineMs: inspectDeadlineMs, work: inspect });
  const renew = createRenew(options);
  return async (action) => {
    switch (action.kind) {
      case 'RenewHeartbeat':
        return renew(action);
      case 'InspectMachine':
        return inspectMachine(look, options);
      case 'UnmountVolume':
        return unmountVolume(action, look, options);
    }
  };
}

function createRenew(options: ActOptions): (action: RenewHeartbeat) => Promise<Outcome> {
  const { heartbeat, post, log } = options;
  // Transitions only: an outage of an hour is two lines, not two thousand.
  let trouble = '';
  let uncleanBecause = '';
  return async (action) => {
    const { bootId, report } = action;
    const { outcome, fence } = await heartbeat.renew({ bootId, report });
    if (action.uncleanBecause !== uncleanBecause) {
      uncleanBecause = action.uncleanBecause;
      if (uncleanBecause === '')
        log.info({}, 'nothing keeps this machine from being clean any more');
      else log.info({ reason: uncleanBecause }, 'this machine is fenced and not clean yet');
    }
    if (outcome.kind !== 'Done') {
      if (trouble !== outcome.code) log.warn({ ...outcome }, 'the heartbeat was not acknowledged');
      trouble = outcome.code;
      return outcome;
    }
    if (trouble !== '') log.info({ after: trouble }, 'the heartbeat is acknowledged again');
    trouble = '';
    post({ kind: 'HeartbeatAcknowledged', report, fence });
    if (action.last) options.onLastRenewal();
    return outcome;
  };
}

/**
 * What it was decided upon must be so still, by a consistent read of the record and another look at
 * the machine: the last thing before the driver is asked.
 */
async function unmountVolume(
  { unmount, fence }: UnmountVolume,
  look: Look<Machine>,
  { heartbeat, driver, paths, log }: ActOptions,
): Promise<Outcome> {
  const found = await heartbeat.look();
  if (found.outcome.kind !== 'Done') return found.outcome;
  const record = decodeFenceRecord(found.fence);
  if (found.fence !== fence || record === undefined) {
    return failed('OTHER_RECORD', 'the fence record has changed since this was decided');
  }
  const seen = await look.take();
  if (seen.kind !== 'Answered') return unknown('UNREADABLE', 'this machine could not be read');
  const { unmounts } = cleaningOf(record, seen.result, paths);
  if (!unmounts.some(({ path, step }) => path === unmount.path && step === unmount.step)) {
    return failed('CHANGED', `${unmount.path} is not to be unmounted any more`);
  }
  const outcome = await driver.unmount(unmount);
  const fields = { ...unmount, epoch: record.epoch, outcome: outcome.kind };
  if (outcome.kind === 'Done') log.info(fields, 'unmounted what the kubelet had left of a volume');
  else log.warn({ ...outcome, ...fields }, 'could not unmount what the kubelet has left');
  return outcome;
}

async function inspectMachine(look: Look<Machine>, { clock, post }: ActOptions): Promise<Outcome> {
  const beganAt = clock.now();
  const seen = await look.take();
  if (seen.kind === 'Answered') {
    post({ kind: 'MachineInspected', beganAt, ...seen.result });
    return done;
  }
  if (seen.kind === 'Late') {
    return unknown('LATE', 'the mount table or the kubelet directory does not answer');
  }
  const detail = Error.isError(seen.error) ? seen.error.message : String(seen.error);
  return unknown('UNREADABLE', detail);
}

export interface HeartbeatOptions {
  readonly config: Pick<Config, 'namespace' | 'nodeName' | 'lostAfterMs'>;
  readonly driverName: string;
  readonly clock: Clock;
  readonly transport: Pick<Transport, 'request'>;
}

/** How many renewals must be able to fail by their deadlines before the node counts as lost. */
const triesUntilLost = 3;

/**
 * Our own Lease, held in the name of the present boot id. After a change of it the Lease is read
 * anew: nothing of the earlier life is carried over but what stands in the cluster.
 */
export function createHeartbeat(options: HeartbeatOptions): HeartbeatPort {
  const { config, driverName, clock, transport } = options;
  let held: { readonly bootId: string; readonly lease: HeartbeatLease } | undefined;
  const leaseOf = (bootId: string): HeartbeatLease => {
    if (held?.bootId === bootId) return held.lease;
    const lease = new HeartbeatLease({
      perform: (effect, deadlineMs) => performKubernetes(transport, effect, deadlineMs),
      namespace: config.namespace,
      driver: driverName,
      node: config.nodeName,
      bootId,
      durationMs: config.lostAfterMs,
      clock,
    });
    held = { bootId, lease };
    return lease;
  };
  return {
    renew: ({ bootId, report }) =>
      leaseOf(bootId).renew(report, config.lostAfterMs / triesUntilLost),
    look: async () => {
      const name = heartbeatLease(driverName, config.nodeName);
      const place = { resource: 'leases', namespace: config.namespace, name } as const;
      const effect = { target: 'kubernetes', verb: 'get', ...place } as const;
      const { status, body } = await performKubernetes(transport, effect, config.lostAfterMs);
      const outcome = outcomeOfHttp(status, 'reading the heartbeat Lease');
      const fence = objectIn(objectIn(body?.metadata).annotations)[fenceAnnotation];
      return { outcome, fence: typeof fence === 'string' ? fence : undefined };
    },
  };
}
