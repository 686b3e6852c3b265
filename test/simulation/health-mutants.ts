/**
 * Mistakes in weighing the health of volumes: one for each row of the table of scope that decides
 * anything (docs/evidence.md). Rows behind which there is a second look have theirs where that
 * look is taken.
 */
import type { Mutant } from './mutant-list.ts';

/** The stories of health-stories.ts are the seeds 5, 15, 25 and so on: each comes ten times. */
const told = { first: 5, step: 10, seeds: 140 } as const;

function inFile(file: string): (name: string, anchor: string, replacement: string) => Mutant {
  return (name, anchor, replacement) => {
    return { name, file: `src/${file}.ts`, anchor, replacement, ...told };
  };
}

const rules = inFile('controller-mode/scope-rules');
const scope = inFile('controller-mode/scope');
const storage = inFile('controller-mode/storage-view');

/** A row by which something moves, or is asked for, moves and asks nothing, or the other way round. */
function row(name: string, [from, to]: readonly string[], why: string): Mutant {
  return rules(name, `moves: '${from}',\n    why:${why}`, `moves: '${to}',\n    why:${why}`);
}

export const healthMutants: readonly Mutant[] = [
  row(
    'a lost volume stays',
    ['move', 'never'],
    " 'the storage says that the volume is well, so it",
  ),
  row('lost storage stays', ['move', 'never'], " 'the storage says that the volume is well, and"),
  row(
    'a lost volume stays where the storage tells nothing',
    ['move', 'never'],
    " 'other nodes use volumes of the same driver well; the driver tells",
  ),
  row(
    'lost storage stays where the storage tells nothing',
    ['move', 'never'],
    " 'other nodes use volumes of the same driver well, and this node",
  ),
  row(
    'a storage that did not answer is not asked again',
    ['ask', 'never'],
    ` "the storage's own view is missing: asking`,
  ),
  row(
    'a storage that was not asked for long is not asked',
    ['ask', 'never'],
    ` "the storage's own view is missing: the last`,
  ),
  row(
    'a storage without a word on a volume is not asked',
    ['ask', 'never'],
    ` "the storage's own view is missing: the driver's`,
  ),
  row('trouble of several nodes moves', ['never', 'move'], " 'other nodes have the same trouble"),
  row('the word of one node suffices', ['never', 'move'], "\n      'every other view is missing"),
  scope(
    'trouble of a moment moves',
    "return now < aloneAt(state, memory, trouble, handle) ? 'brief' : 'bad';",
    "return now < trouble.since ? 'brief' : 'bad';",
  ),
  scope(
    'what a silent node said last is a view',
    'return renewedAt !== undefined && now - renewedAt < state.policy.lostAfterMs;',
    'return renewedAt !== undefined && now >= renewedAt;',
  ),
  inFile('shared/health')(
    'lost data moves',
    "status === 'Hung' || status === 'Abnormal';",
    "status === 'Hung' || status === 'Abnormal' || status === 'DataLoss';",
  ),
  inFile('shared/health')(
    'degraded storage moves',
    "status === 'Hung' || status === 'Abnormal';",
    "status === 'Hung' || status === 'Abnormal' || status === 'Degraded';",
  ),
  inFile('node-mode/volume-views')(
    'an error of the driver read as a bad volume',
    "answer.kind === 'Told' ? answer.health : unknown(answer.code);",
    "answer.kind === 'Told' ? answer.health : { ...unknown(answer.code), status: 'Inaccessible' };",
  ),
  storage(
    'many bad words of the storage read as a good one',
    "if (isMass(storage)) return 'mass';",
    "if (isMass(storage)) return 'good';",
  ),
  storage(
    "storage's own bad word not heard",
    "if (isAbnormal(health)) return 'bad';",
    "if (isAbnormal(health)) return 'good';",
  ),
  storage(
    'a question in vain read as yes',
    'else storage.unread.set(handle, now);',
    "else said('Healthy');",
  ),
  inFile('controller-mode/confirm')(
    'all pods of the node go, whatever volumes they use',
    "return verdict.kind === 'StorageLost' ? usersOfHandles(state, all, verdict.handles) : all;",
    "return verdict.kind === 'Gone' ? usersOfHandles(state, all, verdict.handles) : all;",
  ),
  inFile('controller-mode/confirm')(
    'the storage asked again at once',
    'if (now < againAt) {',
    'if (now < againAt - askAgainMs) {',
  ),
  inFile('controller-mode/end-pod')(
    'ended without time to end',
    'gracePeriodSeconds: Math.max(1, seconds)',
    'gracePeriodSeconds: Math.min(0, seconds)',
  ),
  inFile('controller-mode/trouble')(
    'who gets well last looks alone',
    'for (const handle of healed) startAnewElsewhere(state, handle, now);',
    'for (const handle of healed.slice(0, 0)) startAnewElsewhere(state, handle, now);',
  ),
];
