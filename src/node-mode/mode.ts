import type { Mode } from '../shared/mode.ts';
import type { Action } from './actions.ts';
import { decide } from './decide.ts';
import type { Fact } from './facts.ts';
import { type NodeState, observe } from './state.ts';

/** Node mode as the machine that both modes are. */
export const nodeMode: Mode<NodeState, Fact, Action> = {
  observe,
  decide,
  settled: (action, outcome) => ({ kind: 'Settled', action, outcome }),
  suspended: (gapMs) => ({ kind: 'Suspended', gapMs }),
};
