import type { Instant } from './clock.ts';
import type { Outcome } from './outcome.ts';

/** Anything that the work queue can run: one action in flight per key. */
export interface KeyedAction {
  readonly key: string;
  /**
   * Actions of one scope may run side by side unless one of them is exclusive: that one starts
   * only when nothing else of its scope runs, and nothing else of the scope starts beside it.
   */
  readonly scope: string;
  readonly exclusive: boolean;
  /** Of those that wait for a place, or to reach the API, the lowest goes first; default 0. */
  readonly rank?: number;
}

/** The object that a notice is about, as `kubectl describe` finds Events: by kind, name and uid. */
export interface ObjectReference {
  readonly kind: 'Pod' | 'PersistentVolumeClaim' | 'Node' | 'CSIDriver';
  /** Empty for cluster-scoped kinds; their Events stand in namespace `default`. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * A sentence that is true now and that a person should find with `kubectl describe`. The shell
 * writes it once, when it becomes true. `key` makes it once across restarts and replicas too:
 * two notices with the same object and key are the same Event.
 */
export interface Notice {
  readonly about: ObjectReference;
  readonly type: 'Normal' | 'Warning';
  /** UpperCamelCase, one of the reasons listed in the README. */
  readonly reason: string;
  readonly note: string;
  readonly key: string;
  /**
   * Where we saw it become true: what tells this time from an earlier one, whose Event of the same
   * key may still stand. Without it that Event says enough.
   */
  readonly again?: string;
  /** The guard or verdict in its one word, for logs and metric labels. */
  readonly word: string;
}

export interface Decision<Action extends KeyedAction> {
  /** The complete set of actions wanted now; what is not in it is not wanted any more. */
  readonly actions: readonly Action[];
  /** The complete set of sentences that are true now. */
  readonly notices: readonly Notice[];
  /** The moment at which silence alone would change this decision; undefined: never. */
  readonly wakeAt: Instant | undefined;
}

/** Both modes are this machine. `State` is changed in place by its one owner, the reconciler. */
export interface Mode<State, Fact, Action extends KeyedAction> {
  observe(state: State, fact: Fact, now: Instant): void;
  decide(state: State, now: Instant): Decision<Action>;
  /** That an action has been started, as a fact, where that alone is worth knowing. */
  started?(action: Action): Fact | undefined;
  /** Turns what became of an action into a fact, to be observed like any other. */
  settled(action: Action, outcome: Outcome): Fact;
  /** The fact that our own process did not run for a while: all silences must start again. */
  suspended(gapMs: number): Fact;
}
