import type { Mode } from '../shared/mode.ts';
import type { Action } from './actions.ts';
import { decide } from './decide.ts';
import type { Fact } from './facts.ts';
import { observe } from './observe.ts';
import type { State } from './state.ts';

/** Controller mode as the machine that the reconciler and the simulation run. */
export const controllerMode: Mode<State, Fact, Action> = {
  observe,
  decide,
  started: (action) => (action.kind === 'BeginEpisode' ? { kind: 'Begun', action } : undefined),
  settled: (action, outcome) => ({ kind: 'Settled', action, outcome }),
  suspended: (gapMs) => ({ kind: 'Suspended', gapMs }),
};
