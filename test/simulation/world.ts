/** One world: the model of Kubernetes, machines, instances of ours, arrays, and who watches them. */
import type { Policy } from '../../src/controller-mode/policy.ts';
import { heartbeatLease, nodeIdAnnotation, outOfServiceValue } from '../../src/shared/names.ts';
import { defaultPolicy } from '../default-policy.ts';
import { ControlPlane } from '../model/control-plane.ts';
import { csiVolumeOfPv } from '../model/csi-volumes.ts';
import { Store } from '../model/store.ts';
import { Api } from './api.ts';
import { Checkers } from './checkers.ts';
import type { DriverPlan } from './drivers.ts';
import { Network } from './network.ts';
import type { Prng } from './prng.ts';
import { Replica } from './replica.ts';
import { SimArray } from './sim-array.ts';
import { SimMachine } from './sim-machine.ts';
import { sentenceOf } from './story.ts';
import { Timeline } from './timeline.ts';
import type { Slot } from './writers.ts';
import { place, type Workload, type WorkloadPlan } from './workloads.ts';

const stepMs = 100;
const idleMs = 500;
/** 2026-01-01T00:00:00Z, so that timestamps can be read. */
const epoch = Date.UTC(2026, 0, 1);

export interface WorldPlan {
  readonly nodes: readonly string[];
  readonly drivers: readonly DriverPlan[];
  readonly workloads: readonly WorkloadPlan[];
  readonly latency: { readonly lowMs: number; readonly highMs: number };
  readonly watchLagMs: number;
  /** How likely a request takes up to 3 s. */
  readonly dawdles: number;
  /** How wrong a clock of ours may go: 0.01 is one in a hundred. */
  readonly clockError: number;
  readonly policy?: Partial<Policy>;
}

/** An instance of ours: the replicas beside one driver, and that driver's array. */
export interface Instance {
  readonly plan: DriverPlan;
  readonly policy: Policy;
  readonly array: SimArray;
  readonly replicas: readonly Replica[];
  /** By node the name of its heartbeat Lease; and the value of our out-of-service taint. */
  readonly heartbeats: ReadonlyMap<string, string>;
  readonly outOfService: string;
}

interface Writer {
  readonly podUid: string;
  readonly driver: string;
  readonly slot: Slot;
}

/** Who could write on a machine as long as it runs the same. */
interface Crew {
  readonly running: SimMachine['running'];
  readonly writers: readonly Writer[];
  /** So many writes there had been when each of them was who had written last. */
  settledAt: number;
}

export class World {
  readonly timeline = new Timeline();
  readonly store: Store;
  readonly network: Network;
  readonly api: Api;
  readonly controlPlane: ControlPlane;
  readonly arrays = new Map<string, SimArray>();
  readonly machines: readonly SimMachine[];
  readonly instances: readonly Instance[];
  readonly workloads: readonly Workload[];
  readonly checkers: Checkers;
  readonly plan: WorldPlan;
  /** How heal takes back what people did. */
  readonly undo: (() => void)[] = [];
  readonly lines: string[] | undefined;
  #hash = 0x811c9dc5;
  #seenVersion = 0;
  readonly #crews = new Map<SimMachine, Crew>();

  constructor(plan: WorldPlan, prng: Prng, options: { readonly keepLines?: boolean } = {}) {
    this.plan = plan;
    this.lines = options.keepLines === true ? [] : undefined;
    const { timeline } = this;
    this.store = new Store({ wallTime: () => this.wallTime(), keepEvents: 5_000 });
    this.network = new Network(timeline, prng.fork(), plan.latency);
    const { store, network } = this;
    const { dawdles } = plan;
    this.api = new Api({ store, network, timeline, prng: prng.fork(), dawdles });
    for (const { name, array } of plan.drivers) {
      this.arrays.set(name, new SimArray(name, array, { timeline, prng: prng.fork() }));
    }
    this.controlPlane = new ControlPlane(store, { drivers: [...this.arrays.values()] });
    this.#createBasics();
    this.machines = plan.nodes.map((name) => this.#machine(name, prng.fork()));
    this.checkers = new Checkers(this);
    store.subscribe((event) => {
      const sentence = sentenceOf(event);
      if (sentence !== undefined) this.trace(`  ${sentence}`);
    });
    this.#stepCluster(1_000);
    this.workloads = place(store, plan.workloads);
    this.instances = plan.drivers
      .filter(({ managed }) => managed)
      .map((driver) => this.#instance(driver, prng.fork()));
  }

  get now(): number {
    return this.timeline.now;
  }

  get replicas(): readonly Replica[] {
    return this.instances.flatMap(({ replicas }) => replicas);
  }

  get traceHash(): string {
    return this.#hash.toString(16).padStart(8, '0');
  }

  wallTime(): number {
    return epoch + this.timeline.now;
  }

  array(driver: string): SimArray {
    const array = this.arrays.get(driver);
    if (array === undefined) throw new Error(`no driver ${driver}`);
    return array;
  }

  machine(name: string): SimMachine | undefined {
    return this.machines.find((one) => one.name === name);
  }

  trace(line: string): void {
    const text = `${(this.now / 1000).toFixed(1).padStart(6)} ${line}`;
    this.lines?.push(text);
    for (let i = 0; i < text.length; i += 1) {
      this.#hash = Math.imul(this.#hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    }
  }

  run(durationMs: number, until: () => boolean = () => false): void {
    const end = this.now + durationMs;
    while (this.now < end && !until()) this.#step();
  }

  /** Everything works again, and what people did is taken back. */
  heal(): void {
    this.trace('** everything is healed');
    this.network.heal();
    this.api.heal();
    for (const undo of this.undo.splice(0)) undo();
    for (const machine of this.machines) machine.heal();
    for (const replica of this.replicas) replica.heal();
    for (const array of this.arrays.values()) array.heal();
  }

  #step(): void {
    this.timeline.now = this.#nextStepAt();
    const { timeline, machines } = this;
    this.#seenVersion = this.store.resourceVersion;
    // Before anybody hears anything: what was let in and runs, writes.
    this.#write();
    timeline.runDue();
    if (this.api.state === 'up') this.controlPlane.step(timeline.now);
    for (const machine of machines) machine.step();
    for (const { replicas } of this.instances) for (const replica of replicas) replica.step();
    this.#write();
    this.checkers.step();
  }

  /**
   * The next moment at which anybody has something to do. After any change the controllers of
   * Kubernetes look at once; while nothing changes their own timers are looked at twice a second.
   */
  #nextStepAt(): number {
    const soon = this.now + stepMs;
    if (this.store.resourceVersion !== this.#seenVersion) return soon;
    let next = Math.min(this.now + idleMs, this.timeline.nextAt);
    for (const machine of this.machines) next = Math.min(next, machine.nextAt);
    for (const { replicas } of this.instances) {
      for (const replica of replicas) next = Math.min(next, replica.nextAt);
    }
    return Math.max(soon, Math.ceil(next / stepMs) * stepMs);
  }

  #stepCluster(durationMs: number): void {
    for (let passed = 0; passed < durationMs; passed += stepMs) {
      this.timeline.now += stepMs;
      this.controlPlane.step(this.now);
      for (const machine of this.machines) machine.step();
    }
  }

  /** Every running workload writes to every volume that it has, if its machine is let in. */
  #write(): void {
    const { writers } = this.checkers;
    for (const machine of this.machines) {
      const crew = this.#crewOf(machine);
      // So it is in nearly every step: one more write of theirs would change nothing.
      if (crew.settledAt === writers.count) continue;
      let settled = true;
      for (const { podUid, driver, slot } of crew.writers) {
        if (slot.current === podUid) continue;
        settled = false;
        if (this.isLetIn(machine, driver, slot.handle)) writers.write(slot, podUid);
      }
      crew.settledAt = settled ? writers.count : Number.NaN;
    }
  }

  /** Asked for all the time, so that it is made anew only when the machine runs something else. */
  #crewOf(machine: SimMachine): Crew {
    const { running } = machine;
    const known = this.#crews.get(machine);
    if (known?.running === running) return known;
    const writers = running.flatMap(({ podUid, volumes }) =>
      volumes.map(({ driver, handle }) => {
        return { podUid, driver, slot: this.checkers.writers.slotOf(driver, handle, podUid) };
      }),
    );
    const crew = { running, writers, settledAt: Number.NaN };
    this.#crews.set(machine, crew);
    return crew;
  }

  /**
   * Under a former id, where no listing tells of it, only as long as an attachment names that id:
   * whoever gives a node another one sees to the rest (docs/safety.md, A7).
   */
  isLetIn(machine: SimMachine, driver: string, handle: string): boolean {
    const plan = this.plan.drivers.find(({ name }) => name === driver);
    if (plan?.attachRequired === false) return true;
    const { array, kind } = this.array(driver);
    const ids = machine.nodeIds.get(driver);
    const own = array.publishedNodes(handle).filter((id) => ids?.has(id) === true);
    const current = machine.nodeId(driver);
    return own.some((id) => kind.lists || id === current || this.#isNamed(machine, handle, id));
  }

  #isNamed({ name }: SimMachine, handle: string, id: string): boolean {
    return this.store.all('volumeattachments').some(({ metadata, spec }) => {
      if (spec.nodeName !== name || metadata.annotations?.[nodeIdAnnotation] !== id) return false;
      return csiVolumeOfPv(this.store, spec.source.persistentVolumeName ?? '')?.handle === handle;
    });
  }

  #createBasics(): void {
    this.store.create('namespaces', { metadata: { name: 'default' } });
    for (const { name, attachRequired } of this.plan.drivers) {
      this.store.create('csidrivers', { metadata: { name }, spec: { attachRequired } });
    }
  }

  #clockRate(prng: Prng): number {
    const { clockError } = this.plan;
    return clockError === 0 ? 1 : 1 + clockError * (2 * prng.next() - 1);
  }

  #machine(name: string, prng: Prng): SimMachine {
    const { api, timeline, store } = this;
    return new SimMachine({
      name,
      api,
      timeline,
      prng,
      wallTime: () => this.wallTime(),
      drivers: this.plan.drivers,
      clockRate: () => this.#clockRate(prng),
      pvOf: (driver, handle) => {
        const pv = store
          .all('persistentvolumes')
          .find(({ spec }) => spec.csi?.driver === driver && spec.csi.volumeHandle === handle);
        return pv?.metadata.name ?? '';
      },
    });
  }

  #instance(plan: DriverPlan, prng: Prng): Instance {
    const { api, timeline } = this;
    const policy: Policy = {
      driver: plan.name,
      namespace: 'default',
      ...defaultPolicy,
      fence: plan.fence,
      ...this.plan.policy,
    };
    const array = this.array(plan.name);
    const replicas = ['one', 'two'].map((name) => {
      const own = prng.fork();
      return new Replica({
        name,
        policy,
        api,
        array,
        timeline,
        prng: own,
        witness: this.checkers.witness,
        clockRate: this.#clockRate(own),
        watchLagMs: this.plan.watchLagMs,
        wallTime: () => this.wallTime(),
      });
    });
    const heartbeats = new Map(
      this.machines.map((machine) => [machine.name, heartbeatLease(plan.name, machine.name)]),
    );
    const outOfService = outOfServiceValue(plan.name);
    return { plan, policy, array, replicas, heartbeats, outOfService };
  }
}
