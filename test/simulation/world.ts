/** One seed's world: the model of Kubernetes, machines, replicas, an array, faults, checkers. */
import type { Policy } from '../../src/controller-mode/policy.ts';
import type { DriverAnswer } from '../model/attacher.ts';
import { ModelCluster, nodeIdOf, testDriver } from '../model/cluster.ts';
import { Checkers } from './checkers.ts';
import { type FaultKind, planFaults } from './faults.ts';
import { Prng } from './prng.ts';
import { type Kill, Replica } from './replica.ts';
import { SimMachine } from './sim-machine.ts';
import { type Workload, placeWorkloads } from './workloads.ts';

const stepMs = 100;
const quietMs = 10_000;
const faultyMs = 120_000;
/** After healing: the longest wait of Kubernetes itself is 6 minutes, and 60 s of verify sync. */
const healMs = 480_000;

export const policy: Policy = {
  driver: testDriver,
  namespace: 'default',
  heartbeatIntervalMs: 2_000,
  lostAfterMs: 10_000,
  kubeletLostAfterMs: 30_000,
  unhealthyAfterMs: 30_000,
  gracefulTimeoutMs: 5_000,
  cooldownMs: 300_000,
  timeoutMs: 15_000,
  maxLostNodes: { percent: 30 },
  dryRun: false,
  fence: { kind: 'unpublish', claim: 'The model array accepts writes of published nodes only.' },
  leaderElection: true,
};

export interface Summary {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly episodes: number;
  readonly moves: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly traceHash: string;
}

export class World {
  readonly cluster: ModelCluster;
  readonly machines: readonly SimMachine[];
  readonly replicas: readonly Replica[];
  readonly workloads: readonly Workload[];
  readonly checkers: Checkers;
  readonly faults = new Map<FaultKind, number>();
  readonly lines: string[] = [];
  /** Requests that changed something so far, of all replicas; and where one is killed. */
  writes = 0;
  killAt: { readonly write: number; readonly when: Kill } | undefined;
  readonly #seed: number;
  readonly #prng: Prng;
  readonly #bornAt = new Map<string, number>();
  #timers: { at: number; run: () => void }[] = [];
  #hash = 0x811c9dc5;
  #episodes = 0;
  #moves = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#prng = new Prng(seed);
    const prng = this.#prng;
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, prng.between(3, 6));
    this.cluster = new ModelCluster({ nodes: names });
    const { store, array } = this.cluster;
    const lists = prng.chance(0.5);
    this.machines = [...this.cluster.machines.values()].map((one) => new SimMachine(one, store));
    this.checkers = new Checkers(this);
    store.subscribe(({ type, resource, object }) => {
      if (type === 'ADDED') this.#bornAt.set(object.metadata.uid, this.now);
      if (resource === 'pods' || resource === 'volumeattachments' || resource === 'nodes') {
        this.trace(`${type} ${resource} ${object.metadata.name}`);
      }
    });
    this.workloads = placeWorkloads(this.cluster, prng);
    this.replicas = ['one', 'two'].map(
      (name) =>
        new Replica({
          name,
          policy,
          store,
          array,
          prng: prng.fork(),
          listsPublishedNodes: lists,
          onWrite: (action, effect) => {
            this.trace(`${name} ${action.kind} ${action.node} ${effect.target}`);
            if (action.kind === 'BeginEpisode') this.#episodes += 1;
            if (action.kind === 'Evict') this.#moves += 1;
            this.checkers.request(action, effect);
            this.writes += 1;
            return this.writes === this.killAt?.write ? this.killAt.when : undefined;
          },
        }),
    );
  }

  get now(): number {
    return this.cluster.now;
  }

  ageOf(uid: string): number {
    return this.now - (this.#bornAt.get(uid) ?? 0);
  }

  later(delayMs: number, run: () => void): void {
    this.#timers.push({ at: this.now + delayMs, run });
  }

  count(kind: FaultKind): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  trace(line: string): void {
    const text = `${(this.cluster?.now ?? 0) / 1000} ${line}`;
    this.lines.push(text);
    for (let i = 0; i < text.length; i += 1) {
      this.#hash = Math.imul(this.#hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    }
  }

  pause(paused: boolean): void {
    const { store } = this.cluster;
    store.delete('configmaps', { namespace: 'default', name: 'csi-failover' });
    if (!paused) return;
    const metadata = { namespace: 'default', name: 'csi-failover' };
    store.create('configmaps', { metadata, data: { paused: 'true' } });
  }

  /** Unpublish calls answer this instead of doing their work, for so long. */
  interfere(answer: DriverAnswer, durationMs: number): void {
    this.cluster.array.interfere = ({ kind }) => (kind === 'unpublish' ? answer : undefined);
    this.later(durationMs, () => {
      this.cluster.array.interfere = undefined;
    });
  }

  run(): Summary {
    this.#steps(quietMs + 20_000);
    planFaults(this, this.#prng, faultyMs - 10_000);
    this.#steps(faultyMs);
    this.#heal();
    this.#converge(healMs);
    return this.summary();
  }

  /** One death and nothing else: recovery is bounded. */
  runOneDeath(boundMs: number): Summary {
    for (const replica of this.replicas) replica.slowRequests = 0;
    this.#steps(quietMs + 20_000);
    const victim = this.#prng.pick(this.machines);
    const doomed = this.#movablePodsOn(victim.name);
    this.trace(`power-off ${victim.name}`);
    victim.powerOff();
    this.#steps(boundMs);
    for (const { uid, name, claim } of doomed) {
      const replaced = this.cluster.store
        .all('pods')
        .some(
          (pod) =>
            pod.metadata.uid !== uid &&
            pod.status?.phase === 'Running' &&
            pod.spec.nodeName !== victim.name &&
            (pod.spec.volumes ?? []).some((v) => v.persistentVolumeClaim?.claimName === claim),
        );
      if (!replaced) this.checkers.fail(`L0 ${name} does not run elsewhere after ${boundMs} ms`);
    }
    this.#heal();
    this.#converge(healMs);
    return this.summary();
  }

  summary(): Summary {
    return {
      seed: this.#seed,
      violations: this.checkers.violations,
      episodes: this.#episodes,
      moves: this.#moves,
      faults: this.faults,
      traceHash: this.#hash.toString(16).padStart(8, '0'),
    };
  }

  #movablePodsOn(node: string): { uid: string; name: string; claim: string }[] {
    const shared = new Set(
      this.workloads.filter(({ movable }) => !movable).flatMap(({ claims }) => claims),
    );
    return this.cluster.store.all('pods').flatMap(({ metadata, spec, status }) => {
      const claim = spec.volumes?.[0]?.persistentVolumeClaim?.claimName ?? '';
      const movable = metadata.labels?.['csi-failover.io/enabled'] === 'true' && !shared.has(claim);
      const here = spec.nodeName === node && status?.phase === 'Running';
      return movable && here ? [{ uid: metadata.uid, name: metadata.name, claim }] : [];
    });
  }

  #steps(durationMs: number, until: () => boolean = () => false): void {
    const end = this.now + durationMs;
    while (this.now < end && !until()) this.#step();
  }

  #step(): void {
    this.cluster.run(stepMs);
    const { now } = this;
    const due = this.#timers.filter(({ at }) => at <= now);
    this.#timers = this.#timers.filter(({ at }) => at > now);
    for (const { run } of due) run();
    for (const machine of this.machines) machine.step(now);
    for (const replica of this.replicas) replica.step(now);
    this.#write();
  }

  /** Every running workload writes to every volume that it has, if its node is let in. */
  #write(): void {
    const { array } = this.cluster;
    for (const { machine, storageCut, name } of this.machines) {
      const writes = storageCut ? [] : machine.running;
      const each = writes.flatMap(({ podUid, volumes }) =>
        volumes.map(({ handle }) => ({ podUid, handle })),
      );
      for (const { podUid, handle } of each) {
        const isLetIn = array.publishedNodes(handle).includes(nodeIdOf(name));
        if (isLetIn) this.checkers.write(handle, podUid);
      }
    }
  }

  #heal(): void {
    this.trace('heal');
    this.#timers = [];
    for (const machine of this.machines) machine.heal();
    for (const replica of this.replicas) {
      replica.cutUntil = 0;
      replica.loseReplies = 0;
    }
    this.cluster.array.interfere = undefined;
    this.cluster.controlPlane.switch('attacher', true);
    this.pause(false);
  }

  #converge(boundMs: number): void {
    let goodSince: number | undefined;
    this.#steps(boundMs, () => {
      if (this.now % 1_000 !== 0) return false;
      if (this.checkers.missing().length > 0) goodSince = undefined;
      else goodSince ??= this.now;
      return goodSince !== undefined && this.now - goodSince >= 5_000;
    });
    for (const missing of this.checkers.missing()) this.checkers.fail(missing);
  }
}
