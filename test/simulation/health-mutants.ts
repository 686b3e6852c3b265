/**
 * Mistakes in weighing the health of volumes: one for each row of the table of scope
 * (docs/evidence.md). Where there is a second look behind a row, either the mistake is there, or
 * that look is left out as well.
 */
import type { Edit } from '../mutation/mutated-tree.ts';
import type { Mutant } from './mutant.ts';

/** The stories of health-stories.ts are the seeds 5, 15, 25 and so on: each comes ten times. */
const told = { first: 5, step: 10, seeds: 170 } as const;

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

function edit(file: string, anchor: string, replacement: string): Edit {
  return { file: `src/controller-mode/${file}.ts`, anchor, replacement };
}

/** The last look before an episode begins: does the agent still say so? */
const notLookedAgain = edit(
  'trouble',
  "return report.storage?.status === 'unreachable' && (report.volumes?.good ?? 0) === 0;",
  'return report.v === 1;',
);

/** Rows that nothing comes to as long as the looks around them are taken. */
const behindOthers: readonly Mutant[] = [
  {
    ...row('what is well again moves', ['never', 'move'], " 'the node reports no trouble"),
    also: [
      edit(
        'trouble',
        'trouble !== undefined && trouble.goneAt === undefined && isBad(trouble.health);',
        'trouble !== undefined && isBad(trouble.health);',
      ),
      notLookedAgain,
    ],
  },
  {
    ...row('the word of the kubelet alone moves', ['never', 'move'], " 'the kubelet alone"),
    also: [
      edit(
        'storage-verdict',
        'if (!state.troubledNodes.has(node) && !hasBeenTroubled(state, node)) return',
        'if (!state.troubledNodes.has(node) && !hasBeenTroubled(state, node) && state.leadingSince < 0) return',
      ),
      edit(
        'storage-verdict',
        '    if (isBadNow(trouble) && isUsable(state, node, handle)) bad.set(handle, trouble);\n  }',
        '    if (isBadNow(trouble) && isUsable(state, node, handle)) bad.set(handle, trouble);\n  }\n' +
          '  for (const pod of podsOn(state, node)) {\n' +
          '    const words = state.kubeletWords.get(`${pod.namespace}/${pod.name}`);\n' +
          '    for (const word of words?.values() ?? []) {\n' +
          '      const trouble = { ...word, steadySince: word.since, turns: [] };\n' +
          '      for (const { handle } of ourVolumes(state, pod)) bad.set(handle, trouble);\n' +
          '    }\n  }',
      ),
      notLookedAgain,
    ],
  },
  {
    ...rules(
      'what is not understood moves',
      "moves: 'never',\n  why: 'these views",
      "moves: 'move',\n  why: 'these views",
    ),
    also: edit('scope-rules', "when: { node: ['brief'] },", 'when: { node: [] },'),
  },
];

/** When trouble counts, and when it is over. */
const times: readonly Mutant[] = [
  inFile('controller-mode/trouble')(
    'who could not tell counts for nothing',
    'return unknown > good + bad;',
    'return bad > 0 && unknown > good + bad;',
  ),
  inFile('controller-mode/trouble')(
    'silence about trouble read as its end',
    'return seesGood(report) || now - goneAt >= policy.cooldownMs;',
    'return seesGood(report) || report !== undefined || now - goneAt >= policy.cooldownMs;',
  ),
];

/** The condition of nodes that others may select on. */
const conditions: readonly Mutant[] = [
  inFile('controller-mode/write-condition')(
    'conditions of others written over',
    'const conditions = [...api.conditionsOf(body, condition.type), written];',
    'const conditions = [written];',
  ),
  inFile('controller-mode/node-condition')(
    'a good condition of a node stays',
    'if (node.conditions?.[type] === `${status} ${reason}`) continue;',
    "if (node.conditions?.[type]?.startsWith('True') === true) continue;",
  ),
  inFile('controller-mode/node-condition')(
    'a bad condition of a node stays',
    'if (node.conditions?.[type] === `${status} ${reason}`) continue;',
    "if (node.conditions?.[type]?.startsWith('False') === true) continue;",
  ),
];

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
  inFile('controller-mode/heard')(
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
  ...behindOthers,
  ...times,
  ...conditions,
];
