/** Bugs that the simulation has found, put back: each must be found again. */
import { atSeed, hard, inFile, type Mutant } from './mutant.ts';

const attachAttempt = inFile('attach-attempt');
const begin = inFile('begin');
const begun = inFile('begun');
const episode = inFile('episode');
const join = inFile('join');
const observeNode = inFile('observe-node');
const outage = inFile('outage');
const release = inFile('release');
const verdict = inFile('verdict');

export const relapses: readonly Mutant[] = [
  outage(
    'outage of everybody taken for silence',
    'if (!isOutage) return;',
    'if (!isOutage || now > 0) return;',
  ),
  outage(
    'outage of many taken for silence',
    'if (silent > bound) return true;',
    'if (silent > bound) return false;',
  ),
  {
    name: 'an adopted record stands for what it lists',
    file: 'src/shared/adopted.ts',
    anchor: 'return reason === adopted || volumes.length === 0;',
    replacement: "return reason !== '' && volumes.length === 0;",
    seeds: hard,
  },
  episode(
    "withdrawn after another driver's fence",
    'members.some(({ pod }) => !isFinished(pod) && takenByOthers(situation.state, pod).length > 0)',
    'members.some(({ pod }) => isFinished(pod) && takenByOthers(situation.state, pod).length < 0)',
  ),
  verdict(
    'a deleted Lease read as silence',
    'since(agent, Math.max(heartbeats.freshSince, memory.heartbeatGoneAt))',
    'since(agent, Math.max(heartbeats.freshSince, 0))',
  ),
  begun(
    'an episode counts for a storm only when its record is seen',
    'return now < until ? until : undefined;',
    'return now < until && until < 0 ? until : undefined;',
  ),
  atSeed(
    1_020_000_666,
    release(
      'an intent on a Node that is gone stays',
      "if (verdict.kind !== 'Gone' || members.length > 0) return false;",
      "if (verdict.kind === 'Gone' || members.length > 0) return false;",
    ),
  ),
  atSeed(1_030_009_031, {
    ...begin(
      'what another driver has begun is finished without a fence',
      'if (unfenceable(state, false) !== undefined) return false;',
      'if (unfenceable(state, false) !== undefined && !state.leading) return false;',
    ),
    // The volume would stay otherwise, and the pod wait.
    also: {
      file: 'src/controller-mode/guards.ts',
      anchor: 'return guards.paused?.(situation, pod) ?? guards.unfenceable?.(situation, pod);',
      replacement: 'return guards.paused?.(situation, pod);',
    },
  }),
  attachAttempt(
    'hold dropped in the middle of an attempt to attach',
    'return now < until ? until : undefined;',
    'return now < until && until < 0 ? until : undefined;',
  ),
  atSeed(
    930_039_449,
    observeNode(
      'a replacement that came back while our taint was off stays',
      'if (!stood || hasFencedTaint(after, driver)) return;',
      'if (!stood || state.leading || hasFencedTaint(after, driver)) return;',
    ),
  ),
  atSeed(
    950_055_569,
    join(
      'a pod whose mark was written over joins no more',
      ' || joined.first.has(pod.uid) || joined.later.has(pod.uid)) return false;',
      ') return false;',
    ),
  ),
];
