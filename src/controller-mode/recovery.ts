import type { Instant } from '../shared/clock.ts';
import type { Mode, Notice } from '../shared/mode.ts';
import type { Action } from './actions.ts';
import type { Fact } from './facts.ts';
import { staleView } from './freshness.ts';
import type { State } from './state.ts';
import { verdictOf } from './verdict.ts';

/** What people were told of a node that is well again. */
const troubles: ReadonlySet<string> = new Set([
  'NodeLost',
  'NodeKubeletDead',
  'NodeStorageLost',
  'NodeAgentDown',
  'NodeDriverDown',
  'NodeNotReady',
]);

/** How long it is worth a word. */
const newsMs = 600_000;

interface Told {
  readonly trouble: Notice;
  /** Since when the node is well; undefined: it is not yet. */
  wellSince: Instant | undefined;
}

/**
 * The same mode, which also says when a node is well again of which it said that it was not. Only
 * this process knows what it has said, so another one that finds the node well says nothing. It
 * changes nothing of what is decided.
 */
export function withRecovery<M extends Mode<State, Fact, Action>>(mode: M): M {
  const told = new Map<string, Told>();
  return {
    ...mode,
    decide: (state: State, now: Instant) => {
      const decision = mode.decide(state, now);
      const recovered = look(told, decision.notices, state, now);
      return { ...decision, notices: [...decision.notices, ...recovered] };
    },
  };
}

function look(
  told: Map<string, Told>,
  notices: readonly Notice[],
  state: State,
  now: Instant,
): readonly Notice[] {
  const said = notices.filter(({ reason }) => troubles.has(reason));
  for (const trouble of said) told.set(trouble.about.name, { trouble, wellSince: undefined });
  if (told.size === 0 || !state.leading || staleView(state, now) !== undefined) return [];
  for (const [node, one] of told) {
    const isSame = state.nodes.get(node)?.uid === one.trouble.about.uid;
    if (!isSame || now - (one.wellSince ?? now) >= newsMs) told.delete(node);
    else if (one.wellSince === undefined && isWell(state, one.trouble, now)) one.wellSince = now;
  }
  return [...told.values()].flatMap(({ trouble, wellSince }) =>
    wellSince === undefined ? [] : [noticeOf(trouble, wellSince)],
  );
}

/** The word for which its taint `unavailable` would go, too. */
function isWell(state: State, { about: { name }, reason: told }: Notice, now: Instant): boolean {
  if (told === 'NodeNotReady' && state.nodes.get(name)?.ready !== 'True') return false;
  const { kind, reason } = verdictOf(state, name, now);
  return kind === 'Alive' && reason === 'heartbeat';
}

function noticeOf({ about, reason, word, key }: Notice, wellSince: Instant): Notice {
  // Within one life of a machine these have but one name.
  const isOne = reason === 'NodeStorageLost' || reason === 'NodeNotReady';
  const again = isOne ? { again: String(Math.round(wellSince)) } : {};
  return {
    about,
    type: 'Normal',
    reason: 'NodeRecovered',
    note:
      `This node was ${reason.slice('Node'.length)} (${word}) and is well again: agent, kubelet ` +
      'and driver answer, and it reports no trouble with the volumes that it has.',
    key: `NodeRecovered/${key}`,
    ...again,
    word: 'recovered',
  };
}
