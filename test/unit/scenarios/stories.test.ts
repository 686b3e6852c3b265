import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { guards } from '../../../src/controller-mode/guards.ts';
import { rules } from '../../../src/controller-mode/scope-rules.ts';

/** Whoever adds a word that people may read adds the story in which they read it. */
describe('the stories of test/scenarios', () => {
  const told = globSync('test/scenarios/*.txt').flatMap(toldIn).join('\n');

  it.each([...wordsOfHolds(), ...wordsOfScopes()])('show what %s looks like', (word) => {
    expect(told).toContain(` ${word}: `);
  });

  it.each(kindsOfVerdicts())('show a node that is %s', (kind) => {
    expect(told).toMatch(new RegExp(`^\\w+: ${kind} \\(`, 'm'));
  });

  it.each(reasonsOfVerdicts())('show a verdict for the reason %s', (reason) => {
    expect(told).toContain(`(${reason})`);
  });

  it.each(writes())('interrupt %s before it reaches the server and after', (action) => {
    expect(told).toMatch(new RegExp(`^ *\\d+ ${action} \\w+ \\w+ .*before: .*after: `, 'm'));
  });

  it('show the request of a replica in each way of being interrupted', () => {
    const ways = [...told.matchAll(/^ *1 BeginEpisode patch leases +(.*) before: /gm)];
    const found = new Set(ways.map(([, way]) => way));
    expect(found).toEqual(new Set(['killed', 'frozen', 'cut off', 'API down']));
  });

  it('break no rule', () => {
    expect(told).not.toContain('!! ');
  });
});

/** What happens, without the commands and the words to the reader. */
function toldIn(file: string): readonly string[] {
  const blocks = readFileSync(file, 'utf8').split('\n\n');
  return blocks.flatMap((block) => block.split('\n----\n').slice(1));
}

function sourceOf(name: string): string {
  return readFileSync(`src/controller-mode/${name}.ts`, 'utf8');
}

/** Guards, and whatever else is made by `hold(word, ...)`. */
function wordsOfHolds(): readonly string[] {
  const files = globSync('src/controller-mode/*.ts').map((file) => readFileSync(file, 'utf8'));
  const made = files.flatMap((text) =>
    [...text.matchAll(/\bhold\(\s*'([a-z-]+)'/g)].map(([, word = '']) => word),
  );
  return [...new Set(['not-leader', ...Object.keys(guards), ...made])].sort();
}

/** Where a volume is bad and its pod stays. */
function wordsOfScopes(): readonly string[] {
  const scopes = rules.filter(({ moves }) => moves !== 'move').map(({ scope }) => scope);
  return [...new Set(scopes)].filter((scope) => scope !== 'none').map((scope) => `scope-${scope}`);
}

function kindsOfVerdicts(): readonly string[] {
  const [, union = ''] = /export type VerdictKind =([^;]*);/.exec(sourceOf('verdict')) ?? [];
  return [...union.matchAll(/'(\w+)'/g)].map(([, kind = '']) => kind);
}

/** All words of verdict.ts with a hyphen are reasons; those of volumes have a type of their own. */
function reasonsOfVerdicts(): readonly string[] {
  const [, ofStorage = ''] = /readonly reason:([^;]*);/.exec(sourceOf('storage-verdict')) ?? [];
  const words = `${sourceOf('verdict')} ${ofStorage}`.matchAll(/'([a-z]+(?:-[a-z]+)+)'/g);
  return [...new Set([...words].map(([, reason = '']) => reason))];
}

/** What an episode with one driver asks of the API. */
function writes(): readonly string[] {
  const kinds = [...sourceOf('actions').matchAll(/readonly kind: ([^;]*);/g)].flatMap(
    ([, union = '']) => [...union.matchAll(/'(\w+)'/g)].map(([, kind = '']) => kind),
  );
  // These ask the driver.
  const asking = ['ConfirmHealth', 'VerifyRevoked'];
  // Written by nobody in these worlds: only with --node-condition, and after a crash between two writes.
  const others = ['SetCondition', 'UndoHold'];
  return [...new Set(kinds)].filter((kind) => ![...asking, ...others].includes(kind));
}
