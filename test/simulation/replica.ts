/**
 * One replica of controller mode: the product's own core and work queue, run step by step. Every
 * request of an action takes its own time, and a crash may fall between any two of them; what has
 * left by then arrives nevertheless.
 */
import { act } from '../../src/controller-mode/act.ts';
import type { Action } from '../../src/controller-mode/actions.ts';
import type { Fact, SourceName } from '../../src/controller-mode/facts.ts';
import { controllerMode } from '../../src/controller-mode/mode.ts';
import { isWrite } from '../../src/controller-mode/perform.ts';
import type { Policy } from '../../src/controller-mode/policy.ts';
import { initialState, type State } from '../../src/controller-mode/state.ts';
import type { Effect, Performance, Reply } from '../../src/shared/effect.ts';
import { plainTime } from '../../src/shared/kubernetes/micro-time.ts';
import type { Notice } from '../../src/shared/mode.ts';
import { failed, type Outcome } from '../../src/shared/outcome.ts';
import {
  createWorkQueue,
  nextWakeAt,
  offer,
  settle,
  type WorkQueue,
} from '../../src/shared/workqueue.ts';
import type { Table } from '../model/table.ts';
import type { Api } from './api.ts';
import { Elector } from './elector.ts';
import { LaggingWatch, type Link, linkOf } from './lagging-watch.ts';
import type { Party } from './network.ts';
import type { Prng } from './prng.ts';
import type { KubernetesReply } from './requests.ts';
import type { SimArray } from './sim-array.ts';
import { DriftingClock, type Timeline } from './timeline.ts';

/** One action of one life of a replica, on its way. */
export interface Running {
  readonly action: Action;
  readonly performance: Performance;
  effect: Effect;
}

/** Who looks over a replica's shoulder: the checkers, and whoever kills it at a chosen request. */
export interface Witness {
  /** An action was decided upon and starts now. */
  begun(replica: Replica, action: Action): void;
  /** Around the moment in which the server carries a request out; see `ApiCall.around`. */
  around(
    replica: Replica,
    running: Running,
    execute: () => KubernetesReply,
  ): KubernetesReply | undefined;
  settled(replica: Replica, action: Action, outcome: Outcome): void;
}

export interface ReplicaOptions {
  readonly name: string;
  readonly policy: Policy;
  readonly api: Api;
  readonly array: SimArray;
  readonly timeline: Timeline;
  readonly prng: Prng;
  readonly witness: Witness;
  readonly clockRate: number;
  readonly watchLagMs: number;
  readonly wallTime: () => number;
}

/** A gap of our own that the product would notice (stall-watch.ts). */
const stallMs = 2_000;
/** Two renewals of a living kubelet, with what it takes to notice that they are missing. */
const deafMs = 20_000 + 1_000;
/** Decisions are at least this far apart (reconciler.ts). */
const paceMs = 100;

export class Replica {
  readonly options: ReplicaOptions;
  readonly party: Party;
  readonly clock: DriftingClock;
  notices: readonly Notice[] = [];
  /** Actions started and settled so far; for who asks whether it has come to rest. */
  startedActions = 0;
  #state!: State;
  #queue!: WorkQueue;
  #elector!: Elector;
  #watches!: LaggingWatch[];
  /** Until when all watches rest while nothing is wrong and the store has this version. */
  #watchesRest = { until: 0, version: 0 };
  #mailbox: Fact[] = [];
  /** Answers that have arrived, for the next step. */
  #inbox: (() => void)[] = [];
  #decideAt = 0;
  #decidedAt = Number.NEGATIVE_INFINITY;
  #lives = 0;
  #downUntil = 0;
  #frozenSince: number | undefined;

  constructor(options: ReplicaOptions) {
    this.options = options;
    const { policy, name, timeline, prng, clockRate } = options;
    this.party = `replica ${policy.driver}/${name}`;
    // Monotonic clocks begin anywhere.
    this.clock = new DriftingClock(timeline, clockRate, prng.between(0, 1_000_000));
    this.#start();
  }

  get state(): State {
    return this.#state;
  }

  /** By its own clock, and if it runs at all. */
  get isLeading(): boolean {
    return this.isUp && this.#elector.valid(this.clock.now);
  }

  get isUp(): boolean {
    return this.options.timeline.now >= this.#downUntil;
  }

  /** What the watch of this kind has brought so far. */
  delivered(source: SourceName): Table {
    const watch = this.#watches.find((one) => one.source === source);
    if (watch === undefined) throw new Error(`no watch of ${source}`);
    return watch.delivered;
  }

  /** A watch that it knows to bring nothing: it was told so, or nobody renews for too long. */
  get deafTo(): SourceName | undefined {
    const { now } = this.options.timeline;
    return this.#watches.find(({ source, isBroken, heardAt }) => {
      const silentMs = (now - heardAt) * this.options.clockRate;
      return isBroken || (source === 'kubeletLeases' && silentMs > deafMs);
    })?.source;
  }

  /** Everything in memory is gone, and so is every action between two requests. */
  crash(downMs: number): void {
    this.#frozenSince = undefined;
    this.#downUntil = this.options.timeline.now + downMs;
    this.#start();
  }

  /** SIGSTOP: nothing runs, then everything that came meanwhile is there at once. */
  freeze(durationMs: number): void {
    const { now } = this.options.timeline;
    this.#frozenSince ??= now;
    this.#downUntil = Math.max(this.#downUntil, now + durationMs);
  }

  /** Any of them, if none is named. */
  stallWatch(until: number, source?: SourceName): void {
    const named = this.#watches.find((one) => one.source === source);
    (named ?? this.options.prng.pick(this.#watches)).stall(until);
    this.#watchesRest.until = 0;
  }

  /** Any of them, if none is named. */
  breakWatch(until: number, source?: SourceName): void {
    const named = this.#watches.find((one) => one.source === source);
    (named ?? this.options.prng.pick(this.#watches)).break(until);
    this.#watchesRest.until = 0;
  }

  heal(): void {
    this.#downUntil = Math.min(this.#downUntil, this.options.timeline.now);
    for (const watch of this.#watches) watch.heal();
    this.#watchesRest.until = 0;
  }

  /** When it will have something to do, if nothing happens before. */
  get nextAt(): number {
    if (!this.isUp) return this.#downUntil;
    if (this.#inbox.length > 0) return 0;
    const own = Math.min(this.#decideAt, this.#elector.nextAt);
    const next = this.#mailbox.length > 0 ? 0 : this.clock.trueTimeOf(own);
    return Math.min(next, this.#watchesNextAt);
  }

  step(): void {
    const { timeline, api } = this.options;
    if (timeline.now < this.#downUntil) return;
    this.#wakeUp(timeline.now);
    this.#listen(timeline.now, linkOf(api, this.party));
    const { now } = this.clock;
    if (this.#elector.step(now)) this.#tellLeadership();
    if (this.#inbox.length > 0) this.#takeIn();
    // Killed in the middle of it.
    if (timeline.now < this.#downUntil) return;
    const due = this.#mailbox.length > 0 || now >= this.#decideAt;
    if (due && now >= this.#decidedAt + paceMs) this.#decide(now);
  }

  #takeIn(): void {
    const arrived = this.#inbox;
    this.#inbox = [];
    for (const take of arrived) take();
  }

  /** In most steps nothing is new to any of them. */
  #listen(now: number, link: Link): void {
    const { until, version } = this.#watchesRest;
    const { resourceVersion } = this.options.api.store;
    const hears = link === 'calm' || link === 'open';
    if (hears && resourceVersion === version && now < until) return;
    let rest = hears ? Number.POSITIVE_INFINITY : 0;
    for (const watch of this.#watches) {
      // Of most of them nothing comes even when something has changed: it is of another kind.
      if (!hears || watch.restsUntil <= now) watch.step(now, link);
      rest = Math.min(rest, watch.restsUntil);
    }
    this.#watchesRest = { until: rest, version: resourceVersion };
  }

  get #watchesNextAt(): number {
    const { until, version } = this.#watchesRest;
    if (until > 0 && version === this.options.api.store.resourceVersion) return until;
    let next = Number.POSITIVE_INFINITY;
    for (const watch of this.#watches) next = Math.min(next, watch.nextAt);
    return next;
  }

  #wakeUp(now: number): void {
    if (this.#frozenSince === undefined) return;
    if (now - this.#frozenSince > stallMs) this.#mailbox.push(controllerMode.suspended(1));
    this.#frozenSince = undefined;
  }

  #decide(now: number): void {
    this.#decidedAt = now;
    for (const fact of this.#mailbox) controllerMode.observe(this.#state, fact, now);
    this.#mailbox = [];
    const { actions, notices, wakeAt } = controllerMode.decide(this.#state, now);
    this.notices = notices;
    for (const action of offer(this.#queue, actions, now).start) {
      const started = controllerMode.started?.(action);
      if (started !== undefined) controllerMode.observe(this.#state, started, now);
      this.#begin(action);
    }
    // As the reconciler does; a wake-up that is missing shows as an episode that stands still.
    this.#decideAt = Math.min(
      wakeAt ?? Number.POSITIVE_INFINITY,
      nextWakeAt(this.#queue, now) ?? Number.POSITIVE_INFINITY,
    );
  }

  #start(): void {
    const { policy, api, prng, name, array, wallTime, watchLagMs } = this.options;
    this.#lives += 1;
    const life = this.#lives;
    this.#state = initialState(policy, this.clock.now);
    this.#queue = createWorkQueue();
    this.#inbox = [];
    this.notices = [];
    const { lists: listsPublishedNodes } = array.kind;
    const { health } = array.kind;
    const capabilities = { publishUnpublish: true, listsPublishedNodes, health };
    this.#mailbox = [{ kind: 'Driver', capabilities }];
    this.#elector = new Elector({
      api,
      party: this.party,
      driver: policy.driver,
      identity: `${name}-${life}`,
      isAlive: () => this.#lives === life,
      wallTime,
    });
    this.#watches = LaggingWatch.all({
      api,
      party: this.party,
      driver: policy.driver,
      prng,
      lagMs: watchLagMs,
      post: (fact) => {
        if (this.#lives === life) this.#mailbox.push(fact);
      },
    });
    this.#watchesRest.until = 0;
    this.#decideAt = 0;
    this.#decidedAt = Number.NEGATIVE_INFINITY;
    if (health !== 'none') this.#askForHealth(life);
  }

  /** As health-source.ts does, only more often, because worlds are short. */
  #askForHealth(life: number): void {
    const { timeline, prng } = this.options;
    timeline.later(prng.between(5_000, 15_000), () => {
      if (this.#lives !== life) return;
      const { now: beganAt } = this.clock;
      const said = this.#healthFacts(beganAt);
      timeline.later(prng.between(0, 1_000), () => {
        if (this.#lives === life) this.#mailbox.push(...said);
      });
      this.#askForHealth(life);
    });
  }

  #healthFacts(beganAt: number): readonly Fact[] {
    const { array, api } = this.options;
    if (array.isUnasked) return [];
    if (!array.tellsHealth || array.isPolledInVain) {
      const nothing = { code: 'UNAVAILABLE', detail: 'no answer' };
      return [{ kind: 'HealthUnread', beganAt, handle: '', ...nothing }];
    }
    const handles = api.store
      .all('persistentvolumes')
      .flatMap(({ spec: { csi } }) => (csi?.driver === array.name ? [csi.volumeHandle] : []));
    const words = handles.map((handle) => [handle, array.polledHealth(handle)] as const);
    return array.kind.health === 'list'
      ? [{ kind: 'HealthListed', beganAt, volumes: new Map(words) }]
      : words.map(([handle, health]) => ({ kind: 'HealthRead', beganAt, handle, health }));
  }

  #tellLeadership(): void {
    const { leading, renewal } = this.#elector;
    this.#mailbox.push({ kind: 'Leadership', leading, renewal: leading ? renewal : '' });
  }

  #begin(action: Action): void {
    const { policy, wallTime, witness } = this.options;
    const { driver } = policy;
    this.startedActions += 1;
    witness.begun(this, action);
    const performance = act(action, { driver, wallTime: plainTime(wallTime()) });
    this.#goOn({ action, performance, effect: noEffect }, performance.next());
  }

  #goOn(running: Running, step: IteratorResult<Effect, Outcome>): void {
    if (step.done === true) {
      this.#settle(running.action, step.value);
      return;
    }
    running.effect = step.value;
    if (isWrite(step.value) && !this.#elector.valid(this.clock.now)) {
      this.#settle(running.action, failed('NOT_LEADER', 'lease not certain'));
      return;
    }
    this.#send(running);
  }

  #send(running: Running): void {
    const { api, array, policy, timeline, prng, witness } = this.options;
    const life = this.#lives;
    const { effect } = running;
    const answer = (reply: Reply): void => {
      if (this.#lives !== life) return;
      this.#inbox.push(() => this.#goOn(running, running.performance.next(reply)));
    };
    if (effect.target === 'csi') {
      const delayMs = array.hangs ? policy.timeoutMs : prng.between(0, 300);
      timeline.later(delayMs, () => answer(array.answer(effect)));
      return;
    }
    api.call({
      from: this.party,
      effect,
      deadlineMs: policy.timeoutMs,
      // The generator goes on while a repetition is under way.
      around: (execute) => witness.around(this, { ...running, effect }, execute),
      onReply: answer,
    });
  }

  #settle(action: Action, outcome: Outcome): void {
    settle(this.#queue, action.key, outcome, this.clock.now);
    this.#mailbox.push(controllerMode.settled(action, outcome));
    this.options.witness.settled(this, action, outcome);
  }
}

const noEffect: Effect = { target: 'csi', call: 'PublishedNodes', handles: [] };
