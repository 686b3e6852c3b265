import type { Instant } from '../shared/clock.ts';
import type { PodView } from '../shared/model.ts';
import type { Notice } from '../shared/mode.ts';
import { candidatesOn } from './confirm.ts';
import { type Situation, movable } from './guards.ts';
import type { Hold } from './hold.ts';
import { aboutPod } from './notices.ts';
import { overviewOf } from './scope.ts';
import type { State } from './state.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** Whether a labelled pod would be moved if its node failed now: without a hold it would. */
export interface Protection {
  readonly pod: PodView;
  readonly hold: Hold | undefined;
}

/** What a pod was told, or is about to be. */
interface Told {
  /** The word of the hold; empty: protected. */
  readonly word: string;
  /** Since how many looks in a row it is so. */
  readonly looks: number;
  /** Whether it has ever been another, and when that ended. */
  readonly changedAt: Instant | undefined;
}

/** So many looks in a row make it true: a pod that is just being set up is not worth a word. */
const looksToTell = 2;
/** A person who pauses a cluster knows that nothing is moved then. */
const knownToPeople: ReadonlySet<string> = new Set(['paused', 'dry-run']);

export function verdictsOfCarriers(state: State, now: Instant): ReadonlyMap<string, Verdict> {
  const overview = overviewOf(state, now);
  const of = (node: string) => [node, verdictOf(state, node, now, overview)] as const;
  return new Map([...state.carriers].map(of));
}

/** All labelled pods on this node that use a volume of the driver. */
export function protectionOn(
  state: State,
  nodeName: string,
  now: Instant,
  verdicts: ReadonlyMap<string, Verdict>,
): readonly Protection[] {
  const pods = candidatesOn(state, nodeName);
  if (pods.length === 0) return [];
  const overview = overviewOf(state, now);
  // Only what is confirmed at the storage asks for node ids, and nothing is.
  const knownNodeIds = (): ReadonlySet<string> => new Set();
  const common = { state, now, nodeName, verdicts, overview, knownNodeIds };
  const situation: Situation = { ...common, storm: undefined, isWhatIf: true };
  const { holds } = movable(situation, pods, new Set());
  return pods.map((pod) => ({ pod, hold: holds.get(pod.uid) }));
}

/** Remembers what pods were told, and has the sentences that are true now. */
export class ProtectionNotices {
  #told = new Map<string, Told>();

  look(pods: readonly Protection[], now: Instant): readonly Notice[] {
    const told = new Map<string, Told>();
    const notices: Notice[] = [];
    for (const { pod, hold } of pods) {
      const before = this.#told.get(pod.uid);
      const next = nextTold(before, hold?.word ?? '', now);
      told.set(pod.uid, next);
      const notice = noticeOf(pod, hold, next);
      if (notice !== undefined) notices.push(notice);
    }
    this.#told = told;
    return notices;
  }
}

function nextTold(before: Told | undefined, word: string, now: Instant): Told {
  if (before === undefined) return { word, looks: 1, changedAt: undefined };
  if (before.word === word) return { ...before, looks: before.looks + 1 };
  return { word, looks: 1, changedAt: now };
}

/** A pod that was protected from the first time that we saw it is as it should be. */
function noticeOf(
  pod: PodView,
  hold: Hold | undefined,
  { looks, changedAt }: Told,
): Notice | undefined {
  if (looks < looksToTell || knownToPeople.has(hold?.word ?? '')) return undefined;
  const again = changedAt === undefined ? {} : { again: String(Math.round(changedAt)) };
  const about = aboutPod(pod);
  if (hold !== undefined) {
    return {
      about,
      type: 'Warning',
      reason: 'NotProtected',
      note:
        `If node ${pod.nodeName} failed now, this pod would not be moved. ` +
        `${hold.word}: ${hold.detail}.`,
      key: `NotProtected/${hold.word}`,
      ...again,
      word: hold.word,
    };
  }
  if (changedAt === undefined) return undefined;
  const note = `If node ${pod.nodeName} failed now, this pod would be moved.`;
  return { about, type: 'Normal', reason: 'Protected', note, key: 'Protected', ...again, word: '' };
}
