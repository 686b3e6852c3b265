/**
 * One replica of controller mode: the product's own core and work queue, run step by step. Every
 * request of an action takes its own time, and a crash may fall between any two of them.
 */
import { act } from '../../src/controller-mode/act.ts';
import type { Action } from '../../src/controller-mode/actions.ts';
import { controllerMode } from '../../src/controller-mode/mode.ts';
import type { Policy } from '../../src/controller-mode/policy.ts';
import { initialState, type State } from '../../src/controller-mode/state.ts';
import { isWrite } from '../../src/controller-mode/perform.ts';
import type { Fact } from '../../src/controller-mode/facts.ts';
import type { Effect, Performance } from '../../src/shared/effect.ts';
import { failed, type Outcome } from '../../src/shared/outcome.ts';
import type { Notice } from '../../src/shared/mode.ts';
import { createWorkQueue, offer, settle, type WorkQueue } from '../../src/shared/workqueue.ts';
import type { ModelArray } from '../model/model-array.ts';
import type { Store } from '../model/store.ts';
import { Elector } from './elector.ts';
import { LaggingWatch } from './lagging-watch.ts';
import type { Prng } from './prng.ts';
import { carryOut, noReply } from './requests.ts';

interface Running {
  readonly action: Action;
  readonly performance: Performance;
  effect: Effect;
  /** When the request reaches the server, and when its answer is back. */
  arrivesAt: number;
}

/** Before the request reaches the server, or after it was carried out and before its answer. */
export type Kill = 'before' | 'after';

export interface ReplicaOptions {
  readonly name: string;
  readonly policy: Policy;
  readonly store: Store;
  readonly array: ModelArray;
  readonly prng: Prng;
  readonly listsPublishedNodes: boolean;
  /** Told of every request that changes something; may kill the replica right there. */
  readonly onWrite: (action: Action, effect: Effect) => Kill | undefined;
}

export class Replica {
  readonly options: ReplicaOptions;
  /** Cut off from the API: nothing arrives, nothing goes out. */
  cutUntil = 0;
  /** How likely the answer of a request that was carried out is lost. */
  loseReplies = 0;
  /** How likely a request takes up to 3 s. */
  slowRequests = 0.05;
  notices: readonly Notice[] = [];
  #state!: State;
  #queue!: WorkQueue;
  #elector!: Elector;
  #watches!: LaggingWatch[];
  #running: Running[] = [];
  #mailbox: Fact[] = [];
  #decideAt = 0;
  #lives = 0;
  #downUntil = 0;

  constructor(options: ReplicaOptions) {
    this.options = options;
    this.#start(0);
  }

  get state(): State {
    return this.#state;
  }

  /** Everything in memory is gone, and so is every action in flight, between two requests. */
  crash(now: number, downMs: number): void {
    this.#downUntil = now + downMs;
    this.#start(this.#downUntil);
  }

  /** SIGSTOP: nothing runs, then everything that came meanwhile is there at once. */
  freeze(until: number): void {
    this.#downUntil = Math.max(this.#downUntil, until);
  }

  stallWatch(until: number): void {
    this.options.prng.pick(this.#watches).stall(until);
  }

  breakWatch(until: number): void {
    this.options.prng.pick(this.#watches).break(until);
  }

  step(now: number): void {
    if (now < this.#downUntil) {
      return;
    }
    if (this.#downUntil !== 0) {
      this.#mailbox.push(controllerMode.suspended(1));
      this.#downUntil = 0;
    }
    if (now >= this.cutUntil) {
      for (const watch of this.#watches) watch.step(now);
      const changed = this.#elector.step(now);
      if (changed) this.#tellLeadership();
    } else if (this.#elector.leading && !this.#elector.valid(now)) {
      this.#elector.leading = false;
      this.#tellLeadership();
    }
    // A copy: an action whose request is answered may send its next one at once.
    for (const running of this.#running.slice()) {
      // A crash on the way empties the list.
      if (this.#running.includes(running)) this.#advance(running, now);
    }
    if (now < this.#downUntil) return;
    if (now < this.#decideAt && this.#mailbox.length === 0) return;
    for (const fact of this.#mailbox) controllerMode.observe(this.#state, fact, now);
    this.#mailbox = [];
    const { actions, notices, wakeAt } = controllerMode.decide(this.#state, now);
    this.notices = notices;
    // A wake-up that is missing shows as an episode that does not go on; 1 s bounds back-offs.
    this.#decideAt = Math.min(wakeAt ?? Number.POSITIVE_INFINITY, now + 1_000);
    for (const action of offer(this.#queue, actions, now).start) this.#begin(action, now);
  }

  #start(now: number): void {
    const { policy, store, prng, name, listsPublishedNodes } = this.options;
    this.#lives += 1;
    this.#state = initialState(policy, now);
    this.#queue = createWorkQueue();
    this.#running = [];
    const capabilities = { publishUnpublish: true, listsPublishedNodes, health: 'none' } as const;
    this.#mailbox = [{ kind: 'Driver', capabilities }];
    const identity = `${name}-${this.#lives}`;
    this.#elector = new Elector({ store, driver: policy.driver, identity });
    this.#watches = LaggingWatch.all({ store, prng, post: (fact) => this.#mailbox.push(fact) });
    this.#decideAt = 0;
  }

  #tellLeadership(): void {
    const { leading, renewal } = this.#elector;
    this.#mailbox.push({ kind: 'Leadership', leading, renewal: leading ? renewal : '' });
  }

  #begin(action: Action, now: number): void {
    const { driver } = this.options.policy;
    const performance = act(action, { driver, wallTime: this.options.store.timestamp() });
    const first = performance.next();
    if (first.done === true) this.#settle(action, first.value, now);
    else this.#send({ action, performance, effect: first.value, arrivesAt: 0 }, now);
  }

  #send(running: Running, now: number): void {
    if (isWrite(running.effect) && !this.#elector.valid(now)) {
      this.#settle(running.action, failed('NOT_LEADER', 'lease not certain'), now);
      return;
    }
    const { prng } = this.options;
    running.arrivesAt =
      now + (prng.chance(this.slowRequests) ? prng.between(200, 3_000) : prng.between(0, 40));
    this.#running.push(running);
  }

  #advance(running: Running, now: number): void {
    if (now < running.arrivesAt) return;
    this.#running.splice(this.#running.indexOf(running), 1);
    const { store, array, prng, onWrite } = this.options;
    let reply = noReply(running.effect);
    if (now >= this.cutUntil) {
      const kill = isWrite(running.effect) ? onWrite(running.action, running.effect) : undefined;
      if (kill === 'before') return this.crash(now, 20_000);
      const answer = carryOut(running.effect, store, array);
      if (kill === 'after') return this.crash(now, 20_000);
      if (!prng.chance(this.loseReplies)) reply = answer;
    }
    const step = running.performance.next(reply);
    if (step.done === true) this.#settle(running.action, step.value, now);
    else this.#send({ ...running, effect: step.value }, now);
  }

  #settle(action: Action, outcome: Outcome, now: number): void {
    settle(this.#queue, action.key, outcome, now);
    this.#mailbox.push(controllerMode.settled(action, outcome));
  }
}
