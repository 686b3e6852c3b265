import type { Notice } from '../shared/mode.ts';
import type { Shell } from '../shared/shell.ts';
import type { Action } from './actions.ts';
import type { controllerMode } from './mode.ts';
import { healthPicture } from './health-picture.ts';
import { heartbeatOf, type State } from './state.ts';
import { verdictOf } from './verdict.ts';

type Mode = typeof controllerMode;

/**
 * The same mode with eyes on it: logs what changes (actions that are settled, verdicts, holds) and
 * keeps the metrics. It changes nothing of what is decided.
 */
export function measured(mode: Mode, { log, metrics, clock }: Shell): Mode {
  let holds = '';
  let watched: State | undefined;
  const wantedAt = new Map<string, number>();
  metrics.onScrape(() => {
    if (watched !== undefined) refresh(watched);
  });
  const refresh = (state: State): void => {
    const now = clock.now();
    const verdicts = new Map<string, number>();
    const ages = new Map<string, number>();
    for (const [name, csinode] of state.csinodes) {
      if (csinode.nodeIds[state.policy.driver] === undefined) continue;
      const { kind } = verdictOf(state, name, now);
      verdicts.set(kind, (verdicts.get(kind) ?? 0) + 1);
      const renewedAt = heartbeatOf(state, name)?.renewedAt;
      if (renewedAt !== undefined) ages.set(name, (now - renewedAt) / 1000);
    }
    metrics.setVerdicts(verdicts);
    metrics.setHeartbeatAges(ages);
    metrics.setHealth(healthPicture(state, now));
  };
  return {
    ...mode,
    observe: (state, fact, now) => {
      watched = state;
      if (fact.kind === 'Settled') {
        const { key, kind, node } = fact.action;
        log.info({ action: key, node, outcome: fact.outcome }, 'action settled');
        const since = wantedAt.get(key);
        if (since !== undefined && fact.outcome.kind === 'Done') {
          metrics.phaseTook(kind, (now - since) / 1000);
        }
        const end = endOf(fact.action);
        if (end !== undefined && fact.outcome.kind === 'Done') metrics.episodeEnded(end);
      }
      mode.observe(state, fact, now);
    },
    decide: (state, now) => {
      const decision = mode.decide(state, now);
      const keys = new Set(decision.actions.map(({ key }) => key));
      for (const key of keys) if (!wantedAt.has(key)) wantedAt.set(key, now);
      for (const key of wantedAt.keys()) if (!keys.has(key)) wantedAt.delete(key);
      const counts = holdsIn(decision.notices);
      const text = JSON.stringify([...counts]);
      if (text !== holds) {
        log.info({ holds: Object.fromEntries(counts) }, 'what is held back has changed');
        metrics.setHolds(counts);
      }
      holds = text;
      return decision;
    },
  };
}

function holdsIn(notices: readonly Notice[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { reason, word } of notices) {
    if (reason !== 'FailoverHeld' && reason !== 'FailoverWaiting') continue;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** Which end of an episode this action writes, if any. */
function endOf(action: Action): string | undefined {
  if (action.kind !== 'UpdateRecord') return undefined;
  const { phase, reason } = action.record;
  if (phase === 'Moved') return 'moved';
  if (phase !== 'Released') return undefined;
  return reason === 'withdrawn' ? 'withdrawn' : 'released';
}
