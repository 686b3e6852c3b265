import type { Instant } from '../shared/clock.ts';
import type { Notice } from '../shared/mode.ts';
import type { Action } from './actions.ts';

/** Where the parts of a decision put what they want; decide.ts makes it and hands it out. */
export interface Wanted {
  readonly actions: Action[];
  readonly notices: Notice[];
  readonly wakeAt: Instant[];
}
