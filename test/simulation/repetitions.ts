/** L3: what is done or has failed is not begun again and again without a pause. */
import type { Action } from '../../src/controller-mode/actions.ts';
import type { Replica } from './replica.ts';

/**
 * Back-offs double from 100 ms on, so that there are seven attempts in ten seconds; what is not
 * wanted for a moment in between starts again with the first.
 */
const withinMs = 10_000;
const mostAttempts = 20;
/** A storage that does not answer is given a pause (confirm.ts), and a new process may not know it. */
const mostQuestions = 5;
/** What is done waits until that is seen; others may undo it, but nobody does so all the time. */
const mostSuccesses = 4;

export class Repetitions {
  readonly #begun = new Map<string, number[]>();
  readonly #done = new Map<string, number[]>();

  /** What is to be said against one more beginning; undefined: nothing. */
  begun(replica: Replica, action: Action, now: number): string | undefined {
    const most = action.kind === 'ConfirmHealth' ? mostQuestions : mostAttempts;
    const times = count(this.#begun, `${replica.party} ${action.key}`, now);
    if (times <= most) return undefined;
    return `L3 ${action.kind} ${action.node} was begun ${times} times in ${withinMs} ms`;
  }

  done(replica: Replica, action: Action, now: number): string | undefined {
    const times = count(this.#done, `${replica.party} ${action.key}`, now);
    if (times <= mostSuccesses) return undefined;
    return `L3 ${action.kind} ${action.node} was done ${times} times in ${withinMs} ms`;
  }
}

function count(all: Map<string, number[]>, key: string, now: number): number {
  const recent = (all.get(key) ?? []).filter((at) => now - at < withinMs);
  recent.push(now);
  all.set(key, recent);
  return recent.length;
}
