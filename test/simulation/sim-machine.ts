/** A model machine with its agents, its cables, and everything of it that may stop for a while. */
import type { Machine } from '../../src/node-mode/clean.ts';
import type { DriverAnswer, DriverWord } from '../../src/node-mode/facts.ts';
import { ModelMachine, type RunningWorkload } from '../model/model-machine.ts';
import { Agent, kubeletDirs, publishPath, stagingPath } from './agent.ts';
import type { Api } from './api.ts';
import type { Party } from './network.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';

export interface SimMachineOptions {
  readonly name: string;
  readonly api: Api;
  readonly timeline: Timeline;
  readonly prng: Prng;
  readonly wallTime: () => number;
  /** All whose node plugins run here; `managed` ones have an agent of ours beside them. */
  readonly drivers: readonly { readonly name: string; readonly managed: boolean }[];
  readonly clockRate: () => number;
  /** The PersistentVolume of a volume, as kubelet wrote it beside the mount. */
  readonly pvOf: (driver: string, handle: string) => string;
}

const nothing: readonly RunningWorkload[] = [];

/** A kubelet that could not renew backs off by up to 7 s (component-helpers lease controller). */
const kubeletBackOffMs = 7_000;

/** A machine may be well for so long before its agent has looked and told (conduct.ts, wellMs). */
const unseenMs = 9_000;

export class SimMachine {
  readonly name: string;
  readonly party: Party;
  readonly machine: ModelMachine;
  readonly agents = new Map<string, Agent>();
  /** Every id under which an array may have let this life of the machine in. */
  readonly nodeIds = new Map<string, Set<string>>();
  readonly #options: SimMachineOptions;
  readonly #drivers: { name: string; nodeId: string }[];
  #offUntil = 0;
  #frozenUntil = 0;
  #kubeletDeadUntil = 0;
  #storageCutUntil = 0;
  #troubledSince = 0;
  /** A dead path answers with an error, or not at all. */
  #hangs = false;
  #tellsSince = 0;
  #lie: (handle: string) => DriverAnswer | undefined = () => undefined;
  #lieUntil = 0;
  readonly #agentDeadUntil = new Map<string, number>();
  readonly #driverWords = new Map<string, { word: DriverWord; until: number }>();
  /** The running workloads of this very state of the machine: asked for all the time. */
  #running: readonly RunningWorkload[] = [];
  #runningIn: unknown;
  #powered = true;
  #frozen = false;
  #kubelet = true;
  #linked = true;
  #kubeletPausedUntil = 0;
  #agentsPausedUntil = 0;
  readonly #healthySince = new Map<string, number>();
  readonly #usedSince = new Map<string, number>();
  /** The state of the machine for which that was found. */
  #usedIn: unknown;

  constructor(options: SimMachineOptions) {
    this.#options = options;
    const { name, api, timeline, prng, wallTime, clockRate } = options;
    this.name = name;
    this.party = `machine ${name}`;
    this.#drivers = options.drivers.map((driver) => ({ name: driver.name, nodeId: `id-${name}` }));
    for (const { name: driver, nodeId } of this.#drivers) {
      this.nodeIds.set(driver, new Set([nodeId]));
    }
    this.machine = new ModelMachine({ name, store: api.store, drivers: this.#drivers });
    for (const driver of options.drivers) {
      if (!driver.managed) continue;
      this.agents.set(
        driver.name,
        new Agent({
          node: name,
          driver: driver.name,
          party: this.party,
          api,
          timeline,
          prng: prng.fork(),
          clockRate: clockRate(),
          wallTime,
          lostAfterMs: 10_000,
          heartbeatIntervalMs: 2_000,
          bootId: () => this.machine.bootId,
          kubelet: () => (this.#kubelet ? 'ok' : 'dead'),
          machine: () => this.#inspect(driver.name),
          nodeId: () => this.nodeId(driver.name),
          volumes: () => this.#askVolumes(driver.name),
        }),
      );
    }
  }

  nodeId(driver: string): string {
    return this.#drivers.find(({ name }) => name === driver)?.nodeId ?? '';
  }

  get isOn(): boolean {
    return this.#powered;
  }

  get storageCut(): boolean {
    return this.#options.timeline.now < this.#storageCutUntil;
  }

  /** What could write right now. */
  get running(): readonly RunningWorkload[] {
    if (this.storageCut || !this.#powered || this.#frozen) return nothing;
    const state = this.machine.machine;
    if (state !== this.#runningIn) {
      this.#runningIn = state;
      this.#running = this.machine.running;
    }
    return this.#running;
  }

  /** When it will have something to do, if nothing happens before. */
  get nextAt(): number {
    const { now } = this.#options.timeline;
    let next = Number.POSITIVE_INFINITY;
    next = sooner(now, next, this.#offUntil);
    next = sooner(now, next, this.#frozenUntil);
    next = sooner(now, next, this.#kubeletDeadUntil);
    next = sooner(now, next, this.#kubeletPausedUntil);
    next = sooner(now, next, this.#agentsPausedUntil);
    if (!this.#powered || this.#frozen) return next;
    for (const at of this.#agentDeadUntil.values()) next = sooner(now, next, at);
    for (const agent of this.agents.values()) next = Math.min(next, agent.nextAt);
    return next;
  }

  /** Since when all of it is well, as far as this driver goes; undefined: it is not. */
  healthySince(driver: string): number | undefined {
    return this.#healthySince.get(driver);
  }

  /** Since when it has volumes of this driver; undefined: it has none. */
  usedSince(driver: string): number | undefined {
    return this.#usedSince.get(driver);
  }

  powerOff(durationMs: number): void {
    this.#offUntil = Math.max(this.#offUntil, this.#options.timeline.now + durationMs);
    this.#powered = false;
    this.machine.powerOff();
    for (const agent of this.agents.values()) agent.kill();
  }

  freeze(durationMs: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#options.timeline.now + durationMs);
  }

  /** What runs on it runs on; only kubelet and agents take their time. */
  dawdle(durationMs: number): void {
    this.#agentsPausedUntil = this.#options.timeline.now + durationMs;
    this.hangKubelet(durationMs);
  }

  /** Its kubelet is there and says that it is well, and does nothing. */
  hangKubelet(durationMs: number): void {
    this.#kubeletPausedUntil = this.#options.timeline.now + durationMs;
  }

  /** Its kubelet does not get rid of this volume, as where a process of nobody's holds the mount. */
  keepMounted(handle: string): void {
    this.machine.keeps = handle;
  }

  killKubelet(durationMs: number): void {
    const { now } = this.#options.timeline;
    this.#kubeletDeadUntil = Math.max(this.#kubeletDeadUntil, now + durationMs);
  }

  cutStorage(durationMs: number): void {
    const { timeline, prng } = this.#options;
    const { now } = timeline;
    this.#beginTrouble(now);
    const told = !this.#hangs && now - this.#storageCutUntil <= unseenMs;
    this.#storageCutUntil = Math.max(this.#storageCutUntil, now + durationMs);
    this.#hangs = prng.chance(0.5);
    if (!told) this.#tellsSince = now;
  }

  /** Its driver calls volumes inaccessible here that are not: one, or all. */
  lieAboutHealth(about: (handle: string) => boolean, durationMs: number): void {
    const { now } = this.#options.timeline;
    this.#beginTrouble(now);
    this.#lie = (handle) => (about(handle) ? inaccessible : undefined);
    this.#lieUntil = now + durationMs;
  }

  /** What its driver says of volumes for a while; undefined: what is so. */
  answersOfVolumes(of: (handle: string) => DriverAnswer | undefined, durationMs: number): void {
    this.lieAboutHealth(() => false, durationMs);
    this.#lie = of;
  }

  /** A moment between two troubles in which nobody looked makes them one. */
  #beginTrouble(now: number): void {
    const overAt = Math.max(this.#storageCutUntil, this.#lieUntil);
    if (now - overAt > unseenMs) this.#troubledSince = now;
  }

  /** Since when its driver says that volumes are out of reach, where it might as well say nothing. */
  get tellsTroubleSince(): number | undefined {
    return this.storageCut && !this.#hangs ? this.#tellsSince : undefined;
  }

  /** Since when volumes may be called bad here; undefined: nobody has a reason to. */
  get troubledSince(): number | undefined {
    const lies = this.#options.timeline.now < this.#lieUntil;
    return this.storageCut || lies ? this.#troubledSince : undefined;
  }

  killAgent(driver: string, durationMs: number): void {
    this.agents.get(driver)?.kill();
    this.#agentDeadUntil.set(driver, this.#options.timeline.now + durationMs);
  }

  /** As a DaemonSet's update does it: SIGTERM, and after a while the next one. */
  rollAgent(driver: string, durationMs: number): void {
    this.agents.get(driver)?.stop();
    this.#agentDeadUntil.set(driver, this.#options.timeline.now + durationMs);
  }

  driverSays(driver: string, word: DriverWord, durationMs: number): void {
    this.#driverWords.set(driver, { word, until: this.#options.timeline.now + durationMs });
  }

  /** The storage knows this machine by another name from now on; the old access stays. */
  changeNodeId(driver: string, nodeId: string): void {
    const known = this.#drivers.find(({ name }) => name === driver);
    if (known === undefined) return;
    known.nodeId = nodeId;
    this.nodeIds.get(driver)?.add(nodeId);
  }

  heal(): void {
    const { now } = this.#options.timeline;
    this.#offUntil = Math.min(this.#offUntil, now);
    this.#frozenUntil = Math.min(this.#frozenUntil, now);
    this.#kubeletDeadUntil = Math.min(this.#kubeletDeadUntil, now);
    this.#storageCutUntil = Math.min(this.#storageCutUntil, now);
    this.#lieUntil = Math.min(this.#lieUntil, now);
    this.machine.keeps = undefined;
    this.#agentDeadUntil.clear();
    this.#driverWords.clear();
  }

  step(): void {
    const { now } = this.#options.timeline;
    this.#changePower(now);
    this.#changeKubelet(now);
    this.#changeLink(now);
    for (const [driver, agent] of this.agents) this.#stepAgent(driver, agent, now);
    if (this.#powered && !this.#frozen && now >= this.#kubeletPausedUntil) this.machine.step(now);
    this.#judgeHealth(now);
  }

  #changePower(now: number): void {
    if (!this.#powered && now >= this.#offUntil) {
      this.machine.boot();
      this.#powered = true;
      this.#kubelet = true;
      this.#frozen = false;
      this.#frozenUntil = now;
      for (const agent of this.agents.values()) agent.start();
    }
    const frozen = now < this.#frozenUntil && this.#powered;
    if (frozen === this.#frozen) return;
    this.#frozen = frozen;
    this.machine.freeze(frozen);
    if (!frozen) this.#pauseKubelet(now);
  }

  #changeKubelet(now: number): void {
    const runs = now >= this.#kubeletDeadUntil;
    if (runs === this.#kubelet) return;
    this.#kubelet = runs;
    if (runs) this.machine.startKubelet();
    else this.machine.killKubelet();
  }

  #changeLink(now: number): void {
    const { api } = this.#options;
    if (this.#linked && api.state === 'up' && api.network.isQuiet) return;
    const out = api.state === 'up' && !api.network.isCut(this.party, 'api');
    const back = api.state === 'up' && !api.network.isCut('api', this.party);
    const linked = out && back;
    if (linked && this.#linked) return;
    if (linked) this.#pauseKubelet(now);
    this.#linked = linked;
    this.machine.cutApi(!out && !back);
    this.machine.mute(!out && back);
    this.machine.deafen(out && !back);
  }

  /** What ran on goes on; only the kubelet needs a moment to see what has changed. */
  #pauseKubelet(now: number): void {
    const pausedUntil = now + this.#options.prng.between(0, kubeletBackOffMs);
    this.#kubeletPausedUntil = Math.max(this.#agentsPausedUntil, pausedUntil);
  }

  #stepAgent(driver: string, agent: Agent, now: number): void {
    if (!this.#powered || this.#frozen) return;
    const deadUntil = this.#agentDeadUntil.get(driver) ?? 0;
    if (!agent.isRunning && now >= deadUntil) agent.start();
    const said = this.#driverWords.get(driver);
    agent.driverWord = said !== undefined && now < said.until ? said.word : 'ok';
    if (now >= this.#agentsPausedUntil) agent.step();
  }

  #judgeHealth(now: number): void {
    const { network } = this.#options.api;
    const { party } = this;
    const troubled =
      !network.isQuiet &&
      (network.isCut(party, 'api') ||
        network.isCut('api', party) ||
        network.isSlow(party, 'api') ||
        network.isSlow('api', party));
    const alive = this.#powered && !this.#frozen && this.#kubelet && !troubled;
    for (const [driver, agent] of this.agents) {
      const runs = agent.isRunning && now >= (this.#agentDeadUntil.get(driver) ?? 0);
      const well = alive && runs && agent.driverWord === 'ok';
      if (!well) this.#healthySince.delete(driver);
      else if (!this.#healthySince.has(driver)) this.#healthySince.set(driver, now);
    }
    const { machine } = this.machine;
    if (machine !== this.#usedIn) this.#judgeUse(now);
    this.#usedIn = machine;
  }

  #judgeUse(now: number): void {
    for (const driver of this.agents.keys()) {
      if (!this.machine.machine.published.some(isOf(driver))) this.#usedSince.delete(driver);
      else if (!this.#usedSince.has(driver)) this.#usedSince.set(driver, now);
    }
  }

  #askVolumes(driver: string): ReadonlyMap<string, DriverAnswer> {
    const lies = this.#options.timeline.now < this.#lieUntil;
    const handles = this.machine.machine.published.filter(isOf(driver)).map(({ handle }) => handle);
    return new Map(
      handles.map((handle): [string, DriverAnswer] => {
        if (this.storageCut && this.#hangs) return [handle, { kind: 'Late' }];
        if (this.storageCut) return [handle, inaccessible];
        return [handle, (lies ? this.#lie(handle) : undefined) ?? healthy];
      }),
    );
  }

  /** Undefined: what hangs on a dead path may hang who looks at it. */
  #inspect(driver: string): Machine | undefined {
    if (this.storageCut && this.#options.prng.chance(0.5)) return undefined;
    const { pvOf } = this.#options;
    const { staged, published } = this.machine.machine;
    const own = { staged: staged.filter(isOf(driver)), published: published.filter(isOf(driver)) };
    const mountPoints = [
      ...own.staged.map(({ handle }) => stagingPath(driver, handle)),
      ...own.published.map(({ handle, podUid }) => publishPath(podUid, pvOf(driver, handle))),
    ];
    return {
      mounts: mountPoints.map((mountPoint) => ({ mountPoint, receives: true })),
      volumes: own.staged.map(({ handle }) => ({
        handle,
        pv: pvOf(driver, handle),
        path: stagingPath(driver, handle),
      })),
      kubeletDirs,
    };
  }
}

const healthy: DriverAnswer = {
  kind: 'Told',
  health: { status: 'Healthy', reason: '', message: '' },
};
const inaccessible: DriverAnswer = {
  kind: 'Told',
  health: { status: 'Inaccessible', reason: '', message: '' },
};

/** What is still to come counts. */
function sooner(now: number, next: number, at: number): number {
  return at > now && at < next ? at : next;
}

function isOf(driver: string): (volume: { readonly driver: string }) => boolean {
  return (volume) => volume.driver === driver;
}
