import type { Clock, Instant } from './clock.ts';
import type { Logger } from './log.ts';
import type { KeyedAction, Mode, Notice } from './mode.ts';
import { type Outcome, unknown } from './outcome.ts';
import { StallWatch } from './stall-watch.ts';
import {
  createWorkQueue,
  inFlight,
  nextWakeAt,
  offer,
  settle,
  type WorkQueueLimits,
} from './workqueue.ts';

export interface ReconcilerOptions<State, Fact, Action extends KeyedAction> {
  readonly mode: Mode<State, Fact, Action>;
  /** Changed in place by `mode.observe`; nobody else may change it from now on. */
  readonly state: State;
  readonly clock: Clock;
  readonly log: Logger;
  /** Touches the world. A rejection counts as Unknown: whatever it did may have happened. */
  readonly act: (action: Action) => Promise<Outcome>;
  /** Gets the complete set of sentences that are true, after every decision. Must not throw. */
  readonly announce: (notices: readonly Notice[]) => void;
  /**
   * The core threw: its state can no longer be trusted, and the reconciler has stopped. The
   * process should end; forgetting is safe, deciding on a broken state is not.
   */
  readonly fatal: (error: unknown) => void;
  readonly limits?: Partial<WorkQueueLimits>;
  /** How long `stop` waits for running actions; default 5 s. */
  readonly drainMs?: number;
  /** How late the regular tick came, for a metric. */
  readonly onLag?: (lagMs: number) => void;
}

/** Decisions are at least this far apart, however many facts arrive. */
const paceMs = 100;

/** How often we look whether we ourselves were stopped. */
const tickMs = 500;

interface Posted<Fact> {
  readonly fact: Fact;
  readonly at: Instant;
}

/**
 * Runs a mode: facts are folded into the state, the state is decided upon, what is wanted and may
 * start is started, and what became of it comes back as a fact. It knows nothing of what the
 * facts and actions mean, so lost events, repeats and restarts need no code here.
 */
export class Reconciler<State, Fact, Action extends KeyedAction> {
  readonly #options: ReconcilerOptions<State, Fact, Action>;
  readonly #queue;
  readonly #stalls: StallWatch;
  #mailbox: Posted<Fact>[] = [];
  #phase: 'New' | 'Running' | 'Stopped' = 'New';
  #turn: { readonly at: Instant; readonly cancel: () => void } | undefined;
  #cancelTick: () => void = () => {};
  /** No fact is stamped with an earlier moment than one folded before it. */
  #foldedAt: Instant = Number.NEGATIVE_INFINITY;
  #decidedAt: Instant = Number.NEGATIVE_INFINITY;
  #drained: () => void = () => {};

  constructor(options: ReconcilerOptions<State, Fact, Action>) {
    this.#options = options;
    this.#queue = createWorkQueue(options.limits);
    this.#stalls = new StallWatch(options.clock);
  }

  /** Takes a fact, stamped with the present moment. Facts before `start` wait for it. */
  post(fact: Fact): void {
    if (this.#phase === 'Stopped') return;
    this.#mailbox.push({ fact, at: this.#options.clock.now() });
    this.#wake(0);
  }

  start(): void {
    if (this.#phase !== 'New') return;
    this.#phase = 'Running';
    this.#stalls.look();
    this.#tick();
    this.#wake(0);
  }

  /**
   * Starts nothing new and resolves when nothing runs any more, or after `drainMs`. What still
   * runs then is not aborted; the next process, or another replica, decides again.
   */
  async stop(): Promise<void> {
    this.#halt();
    if (inFlight(this.#queue) === 0) return;
    const { clock, drainMs = 5000, log } = this.#options;
    await new Promise<void>((resolve) => {
      const giveUp = clock.after(drainMs, resolve);
      this.#drained = () => {
        giveUp();
        resolve();
      };
    });
    const left = inFlight(this.#queue);
    if (left > 0) log.warn({ actions: left }, 'stopped while actions were still running');
  }

  #halt(): void {
    this.#phase = 'Stopped';
    this.#cancelTick();
    this.#turn?.cancel();
    this.#turn = undefined;
    this.#mailbox = [];
  }

  #tick(): void {
    const dueAt = this.#options.clock.now() + tickMs;
    this.#cancelTick = this.#options.clock.after(tickMs, () => {
      this.#options.onLag?.(Math.max(0, this.#options.clock.now() - dueAt));
      this.#guarded(() => {
        if (this.#foldStall()) this.#wake(0);
      });
      if (this.#phase === 'Running') this.#tick();
    });
  }

  /** Plans a turn in `waitMs`, but not before the pace allows it; an earlier plan stays. */
  #wake(waitMs: number): void {
    if (this.#phase !== 'Running') return;
    const now = this.#options.clock.now();
    const at = Math.max(now + waitMs, this.#decidedAt + paceMs);
    if (this.#turn !== undefined && this.#turn.at <= at) return;
    this.#turn?.cancel();
    const cancel = this.#options.clock.after(at - now, () => {
      this.#turn = undefined;
      this.#guarded(() => this.#takeTurn());
    });
    this.#turn = { at, cancel };
  }

  #takeTurn(): void {
    const { mode, state, clock, announce } = this.#options;
    // First: what arrived meanwhile may look like long silence only because we did not listen.
    this.#foldStall();
    const arrived = this.#mailbox;
    this.#mailbox = [];
    for (const { fact, at } of arrived) this.#fold(fact, at);

    const now = clock.now();
    const decision = mode.decide(state, now);
    this.#decidedAt = now;
    announce(decision.notices);
    for (const action of offer(this.#queue, decision.actions, now).start) {
      const started = mode.started?.(action);
      if (started !== undefined) this.#fold(started, now);
      void this.#run(action);
    }

    const wakeAt = Math.min(
      decision.wakeAt ?? Number.POSITIVE_INFINITY,
      nextWakeAt(this.#queue, now) ?? Number.POSITIVE_INFINITY,
    );
    if (Number.isFinite(wakeAt)) this.#wake(Math.max(0, wakeAt - now));
  }

  #foldStall(): boolean {
    const gapMs = this.#stalls.look();
    if (gapMs === 0) return false;
    this.#options.log.warn({ gapMs: Math.round(gapMs) }, 'this process did not run for a while');
    this.#fold(this.#options.mode.suspended(gapMs), this.#options.clock.now());
    return true;
  }

  /**
   * Stamps never go back: a fact from before a stall that is folded after it counts as seen now,
   * which can only delay what we conclude from silence.
   */
  #fold(fact: Fact, at: Instant): void {
    this.#foldedAt = Math.max(this.#foldedAt, at);
    this.#options.mode.observe(this.#options.state, fact, this.#foldedAt);
  }

  async #run(action: Action): Promise<void> {
    const outcome = await this.#outcomeOf(action);
    settle(this.#queue, action.key, outcome, this.#options.clock.now());
    this.#guarded(() => this.post(this.#options.mode.settled(action, outcome)));
    if (inFlight(this.#queue) === 0) this.#drained();
  }

  async #outcomeOf(action: Action): Promise<Outcome> {
    try {
      return await this.#options.act(action);
    } catch (error) {
      this.#options.log.error({ action: action.key, err: error }, 'an action threw');
      return unknown('EXCEPTION', Error.isError(error) ? error.message : String(error));
    }
  }

  #guarded(step: () => void): void {
    if (this.#phase === 'Stopped') return;
    try {
      step();
    } catch (error) {
      this.#halt();
      this.#options.fatal(error);
    }
  }
}
