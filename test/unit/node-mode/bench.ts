import type { Action, RenewHeartbeat } from '../../../src/node-mode/actions.ts';
import type { Fact, MachineInspected } from '../../../src/node-mode/facts.ts';
import { nodeMode } from '../../../src/node-mode/mode.ts';
import { createState, type NodeState } from '../../../src/node-mode/state.ts';
import { done, type Outcome } from '../../../src/shared/outcome.ts';
import {
  decodeNodeReport,
  encodeFenceRecord,
  type FenceRecord,
  type NodeReport,
} from '../../../src/shared/record.ts';

export const intervalMs = 2000;
export const kubeletDir = '/var/lib/kubelet';
export const mountOfVolume1 = `${kubeletDir}/pods/0a-1b/volumes/kubernetes.io~csi/pv-1/mount`;

/** A record of an episode that has moved everything, unless told otherwise. */
export function fenceText(rest: Partial<FenceRecord> = {}): string {
  return encodeFenceRecord({
    v: 1,
    epoch: 'e1',
    episode: 'node-a.e1',
    reason: 'Lost',
    since: '2026-01-01T00:00:00Z',
    bootId: 'boot-1',
    phase: 'Moved',
    volumes: [{ handle: 'vol-1', pv: 'pv-1' }],
    ...rest,
  });
}

/** The pure core on a bench: facts in, decisions out, time as a number. */
export class Bench {
  readonly state: NodeState;
  now = 1_000_000;

  constructor(localProbes = false) {
    const settings = {
      driverName: 'block.example.com',
      heartbeatIntervalMs: intervalMs,
      localProbes,
      sha256Hex: (text: string) => `hash-of-${text}`,
    };
    this.state = createState(settings, this.now);
  }

  /** An agent that has read its boot id, heard its driver and renewed once. */
  static running(localProbes = false): Bench {
    const bench = new Bench(localProbes);
    bench.see({ kind: 'BootIdRead', bootId: 'boot-1' });
    bench.see({ kind: 'DriverProbed', word: 'ok', nodeId: 'id-a' });
    bench.renew();
    return bench;
  }

  see(fact: Fact): void {
    nodeMode.observe(this.state, fact, this.now);
  }

  pass(durationMs: number): void {
    this.now += durationMs;
  }

  wanted(): readonly string[] {
    return this.decide().actions.map(({ kind }) => kind);
  }

  decide() {
    return nodeMode.decide(this.state, this.now);
  }

  /** What would be written if a renewal were due now. */
  report(): NodeReport | undefined {
    const renewal = this.#find('RenewHeartbeat') as RenewHeartbeat | undefined;
    return decodeNodeReport(renewal?.report);
  }

  settle(action: Action, outcome: Outcome): void {
    this.see(nodeMode.settled(action, outcome));
  }

  /** Carries out the renewal that is due; the API acknowledges and shows this fence annotation. */
  renew(fence?: string): void {
    const action = this.#find('RenewHeartbeat') as RenewHeartbeat | undefined;
    if (action === undefined) throw new Error('no renewal is due');
    const { report } = action;
    this.see({ kind: 'HeartbeatAcknowledged', report, fence });
    this.settle(action, done);
  }

  /** Fails the renewal that is due. */
  failRenewal(outcome: Outcome): void {
    const action = this.#find('RenewHeartbeat');
    if (action === undefined) throw new Error('no renewal is due');
    this.settle(action, outcome);
  }

  /** Carries out the inspection that is wanted. */
  inspect(rest: Partial<MachineInspected> = {}): void {
    const action = this.#find('InspectMachine');
    if (action === undefined) throw new Error('no inspection is wanted');
    this.see({
      kind: 'MachineInspected',
      beganAt: this.now,
      mounts: [{ mountPoint: '/', receives: true }],
      volumes: [],
      kubeletDirs: [kubeletDir],
      ...rest,
    });
    this.settle(action, done);
  }

  failInspection(outcome: Outcome): void {
    const action = this.#find('InspectMachine');
    if (action === undefined) throw new Error('no inspection is wanted');
    this.settle(action, outcome);
  }

  /** Lets the next heartbeat come and tells what it would say. */
  next(): NodeReport | undefined {
    this.pass(intervalMs);
    return this.report();
  }

  #find(kind: Action['kind']): Action | undefined {
    return this.decide().actions.find((action) => action.kind === kind);
  }
}
