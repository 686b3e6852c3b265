/**
 * The agent of one driver on one machine: the product's own node mode and work queue. Its Lease is
 * renewed as src/shared/kubernetes/heartbeat-lease.ts does it, request by request.
 */
import { createHash } from 'node:crypto';
import type { Action, RenewHeartbeat } from '../../src/node-mode/actions.ts';
import type { Machine } from '../../src/node-mode/clean.ts';
import type { DriverAnswer, DriverWord, Fact, KubeletHealth } from '../../src/node-mode/facts.ts';
import { nodeMode } from '../../src/node-mode/mode.ts';
import { createState, type NodeState } from '../../src/node-mode/state.ts';
import {
  type LeaseRecord,
  leaseHolding,
  readLease,
} from '../../src/shared/kubernetes/lease-record.ts';
import {
  driverLabel,
  fenceAnnotation,
  heartbeatLease,
  reportAnnotation,
} from '../../src/shared/names.ts';
import { done, failed, type Outcome, outcomeOfHttp, unknown } from '../../src/shared/outcome.ts';
import { heartbeatHolder } from '../../src/shared/record.ts';
import {
  createWorkQueue,
  nextWakeAt,
  offer,
  settle,
  type WorkQueue,
} from '../../src/shared/workqueue.ts';
import type { Api } from './api.ts';
import type { Party } from './network.ts';
import type { Prng } from './prng.ts';
import type { KubernetesReply } from './requests.ts';
import { DriftingClock, type Timeline } from './timeline.ts';

export interface AgentOptions {
  readonly node: string;
  readonly driver: string;
  readonly party: Party;
  readonly api: Api;
  readonly timeline: Timeline;
  readonly prng: Prng;
  readonly clockRate: number;
  readonly wallTime: () => number;
  readonly lostAfterMs: number;
  readonly heartbeatIntervalMs: number;
  readonly bootId: () => string;
  readonly kubelet: () => KubeletHealth;
  /** What is on the machine now; undefined: the kubelet's directory does not answer. */
  readonly machine: () => Machine | undefined;
  readonly nodeId: () => string;
  /** What the driver's node service says of the volumes that pods have here. */
  readonly volumes: () => ReadonlyMap<string, DriverAnswer>;
}

const stallMs = 2_000;
const kubeletDir = '/var/lib/kubelet';
const hashes = new Map<string, string>();

function sha256Hex(text: string): string {
  let hash = hashes.get(text);
  if (hash === undefined) {
    hash = createHash('sha256').update(text).digest('hex');
    hashes.set(text, hash);
  }
  return hash;
}

/** Where the kubelet has a volume staged, and where it has it published for a pod. */
export function stagingPath(driver: string, handle: string): string {
  return `${kubeletDir}/plugins/kubernetes.io/csi/${driver}/${sha256Hex(handle)}/globalmount`;
}

export function publishPath(podUid: string, pv: string): string {
  return `${kubeletDir}/pods/${podUid}/volumes/kubernetes.io~csi/${pv}/mount`;
}

export const kubeletDirs: readonly string[] = [kubeletDir];

export class Agent {
  /** What the driver's node plugin answers. */
  driverWord: DriverWord = 'ok';
  readonly #options: AgentOptions;
  readonly #clock: DriftingClock;
  readonly #leaseName: string;
  readonly #labels: Readonly<Record<string, string>>;
  #state!: NodeState;
  #queue!: WorkQueue;
  #mailbox: Fact[] = [];
  #inbox: (() => void)[] = [];
  #lives = 0;
  #decideAt = 0;
  #probeAt = 0;
  #ranAt = 0;
  /** Undefined: it was never read, or is not there. */
  #lease: LeaseRecord | undefined;
  #missing = false;
  #running = true;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { timeline, clockRate, prng, driver, node } = options;
    this.#leaseName = heartbeatLease(driver, node);
    this.#labels = { [driverLabel]: driver };
    this.#clock = new DriftingClock(timeline, clockRate, prng.between(0, 1_000_000));
    this.start();
  }

  /** A fresh process: all is forgotten. */
  start(): void {
    const { driver, heartbeatIntervalMs } = this.#options;
    this.#lives += 1;
    this.#running = true;
    const settings = {
      driverName: driver,
      sha256Hex,
      heartbeatIntervalMs,
      localProbes: false,
    };
    this.#state = createState(settings, this.#clock.now);
    this.#queue = createWorkQueue();
    this.#mailbox = [{ kind: 'BootIdRead', bootId: this.#options.bootId() }];
    this.#inbox = [];
    this.#decideAt = 0;
    this.#probeAt = 0;
    this.#lease = undefined;
    this.#missing = false;
    this.#ranAt = this.#options.timeline.now;
  }

  /** SIGKILL, or the end of its machine. */
  kill(): void {
    this.#lives += 1;
    this.#running = false;
  }

  get isRunning(): boolean {
    return this.#running;
  }

  /** SIGTERM: one last renewal says so. */
  stop(): void {
    this.#mailbox.push({ kind: 'Stopping' });
  }

  /** When it will have something to do, if nothing happens before. */
  get nextAt(): number {
    if (this.#mailbox.length > 0 || this.#inbox.length > 0) return 0;
    if (!this.#running) return Number.POSITIVE_INFINITY;
    return Math.min(this.#probeAt, this.#clock.trueTimeOf(this.#decideAt));
  }

  /** Not called while the machine is frozen or off. */
  step(): void {
    const { timeline, heartbeatIntervalMs } = this.#options;
    if (!this.#running) return;
    if (timeline.now - this.#ranAt > stallMs) this.#mailbox.push(nodeMode.suspended(1));
    this.#ranAt = timeline.now;
    if (timeline.now >= this.#probeAt) {
      this.#probeAt = timeline.now + 2 * heartbeatIntervalMs;
      this.#probe();
    }
    if (this.#inbox.length > 0) this.#takeIn();
    const { now } = this.#clock;
    if (this.#mailbox.length === 0 && now < this.#decideAt) return;
    for (const fact of this.#mailbox) nodeMode.observe(this.#state, fact, now);
    this.#mailbox = [];
    const { actions, wakeAt } = nodeMode.decide(this.#state, now);
    for (const action of offer(this.#queue, actions, now).start) this.#begin(action);
    this.#decideAt = Math.min(
      wakeAt ?? Number.POSITIVE_INFINITY,
      nextWakeAt(this.#queue, now) ?? Number.POSITIVE_INFINITY,
    );
  }

  #takeIn(): void {
    const arrived = this.#inbox;
    this.#inbox = [];
    for (const take of arrived) take();
  }

  #probe(): void {
    const { kubelet, bootId, nodeId, volumes } = this.#options;
    const named = this.driverWord === 'ok' ? nodeId() : undefined;
    this.#mailbox.push(
      { kind: 'DriverProbed', word: this.driverWord, nodeId: named },
      { kind: 'KubeletProbed', health: kubelet() },
      { kind: 'BootIdRead', bootId: bootId() },
    );
    const answers = volumes();
    this.#mailbox.push({ kind: 'VolumesFound', handles: [...answers.keys()], offered: true });
    if (this.driverWord !== 'ok') return;
    for (const [handle, answer] of answers) {
      this.#mailbox.push({ kind: 'VolumeAsked', handle, answer });
    }
  }

  #begin(action: Action): void {
    switch (action.kind) {
      case 'InspectMachine':
        return this.#inspect(action);
      case 'RenewHeartbeat':
        return this.#renew(action, 3);
      case 'UnmountVolume':
        // Never wanted: these machines show no cgroups, so nobody can tell what runs.
        return this.#settle(action, failed('UNIMPLEMENTED', 'no containers here'));
    }
  }

  /** The mount table is read somewhere between the beginning and the end of the look. */
  #inspect(action: Action): void {
    const { prng, timeline, machine } = this.#options;
    const life = this.#lives;
    const beganAt = this.#clock.now;
    timeline.later(prng.between(0, 400), () => {
      const seen = this.#lives === life ? machine() : undefined;
      timeline.later(prng.between(0, 400), () => {
        if (this.#lives !== life) return;
        this.#inbox.push(() => {
          const fact = seen && ({ kind: 'MachineInspected', beganAt, ...seen } as const);
          if (fact !== undefined) this.#mailbox.push(fact);
          this.#settle(action, fact === undefined ? unknown('LATE', 'it hangs') : done);
        });
      });
    });
  }

  #renew(action: RenewHeartbeat, tries: number): void {
    if (this.#lease === undefined && !this.#missing) {
      this.#send({ verb: 'get' }, (reply) => {
        if (reply.status !== 200 && reply.status !== 404) return this.#refused(action, reply);
        this.#know(reply.status === 200 ? readLease(reply.body) : undefined);
        this.#write(action, tries);
      });
    } else this.#write(action, tries);
  }

  #write(action: RenewHeartbeat, tries: number): void {
    const verb = this.#missing ? 'create' : 'update';
    this.#send({ verb, body: this.#body(action) }, (reply) => {
      if (reply.status === 200 || reply.status === 201) {
        this.#know(readLease(reply.body));
        const fence = annotationOf(reply, fenceAnnotation);
        this.#mailbox.push({ kind: 'HeartbeatAcknowledged', report: action.report, fence });
        this.#settle(action, done);
        if (action.last) this.kill();
        return;
      }
      const stale = reply.status === 404 || reply.status === 409;
      if (stale) {
        this.#lease = undefined;
        this.#missing = false;
      }
      if (stale && tries > 1) this.#renew(action, tries - 1);
      else this.#refused(action, reply);
    });
  }

  #refused(action: Action, { status }: KubernetesReply): void {
    this.#settle(action, outcomeOfHttp(status, 'the heartbeat'));
  }

  #know(lease: LeaseRecord | undefined): void {
    this.#lease = lease;
    this.#missing = lease === undefined;
  }

  #body({ bootId, report }: RenewHeartbeat): NonNullable<KubernetesReply['body']> {
    const { node, lostAfterMs, wallTime } = this.#options;
    return leaseHolding(this.#lease?.json, {
      namespace: 'default',
      name: this.#leaseName,
      labels: this.#labels,
      annotations: { [reportAnnotation]: report },
      holder: heartbeatHolder(node, bootId),
      durationMs: lostAfterMs,
      wallTime: wallTime(),
    });
  }

  #send(
    request:
      | { verb: 'get' }
      | { verb: 'create' | 'update'; body: NonNullable<KubernetesReply['body']> },
    take: (reply: KubernetesReply) => void,
  ): void {
    const { api, party, lostAfterMs } = this.#options;
    const life = this.#lives;
    const name = this.#leaseName;
    api.call({
      from: party,
      effect: { target: 'kubernetes', resource: 'leases', namespace: 'default', name, ...request },
      deadlineMs: lostAfterMs / 3,
      onReply: (reply) => {
        if (this.#lives === life) this.#inbox.push(() => take(reply));
      },
    });
  }

  #settle(action: Action, outcome: Outcome): void {
    settle(this.#queue, action.key, outcome, this.#clock.now);
    this.#mailbox.push(nodeMode.settled(action, outcome));
  }
}

function annotationOf({ body }: KubernetesReply, key: string): string | undefined {
  const metadata = body?.metadata as { annotations?: Record<string, string> } | undefined;
  return metadata?.annotations?.[key];
}
