import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { performKubernetes } from '../shared/kubernetes/client.ts';
import { HeartbeatLease } from '../shared/kubernetes/heartbeat-lease.ts';
import type { Transport } from '../shared/kubernetes/transport.ts';
import type { Logger } from '../shared/log.ts';
import { done, type Outcome, unknown } from '../shared/outcome.ts';
import type { Action, RenewHeartbeat } from './actions.ts';
import type { Machine } from './clean.ts';
import type { Fact } from './facts.ts';
import { Look } from './look.ts';

/** Our own Lease. Ends by a deadline of its own. */
export interface HeartbeatPort {
  renew(content: { readonly bootId: string; readonly report: string }): Promise<HeartbeatAnswer>;
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
  readonly post: (fact: Fact) => void;
  /** The last renewal, the one that says `stopping`, was acknowledged. */
  readonly onLastRenewal: () => void;
}

/** The only code of node mode that touches the world on a decision. */
export function createAct(options: ActOptions): (action: Action) => Promise<Outcome> {
  const { clock, inspectDeadlineMs, inspect } = options;
  const look = new Look({ clock, deadlineMs: inspectDeadlineMs, work: inspect });
  const renew = createRenew(options);
  return (action) =>
    action.kind === 'RenewHeartbeat' ? renew(action) : inspectMachine(look, options);
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
  };
}
