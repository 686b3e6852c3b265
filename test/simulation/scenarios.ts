/**
 * `npm run scenarios [-- --update] [-- NAME...]`: runs the files test/scenarios/*.txt and compares
 * what happens with what stands in them. A file is commands, a line of hyphens, and what they
 * lead to; an empty line ends it. `--update` writes down what happens now: read the difference, and
 * keep it only if you know why it is so.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stage } from './stage.ts';

const folder = join(import.meta.dirname, '..', 'scenarios');
const rule = '----';

interface Block {
  /** Comments and commands, as they stand. */
  readonly head: readonly string[];
  /** Undefined: no commands, only words to the reader. */
  readonly expected: readonly string[] | undefined;
}

function parse(text: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n\n+/)) {
    const lines = part.split('\n').filter((line) => line !== '');
    if (lines.length === 0) continue;
    const at = lines.indexOf(rule);
    const commands = lines.some((line) => !line.startsWith('#'));
    const head = at < 0 ? lines : lines.slice(0, at);
    const expected = at < 0 ? [] : lines.slice(at + 1);
    blocks.push({ head, expected: commands ? expected : undefined });
  }
  return blocks;
}

function format(blocks: readonly Block[]): string {
  const texts = blocks.map(({ head, expected }) =>
    [...head, ...(expected === undefined ? [] : [rule, ...expected])].join('\n'),
  );
  return `${texts.join('\n\n')}\n`;
}

/** What happens now, in the same form. */
function play(blocks: readonly Block[]): readonly Block[] {
  const stage = new Stage();
  return blocks.map(({ head, expected }) => {
    if (expected === undefined) return { head, expected };
    const commands = head.filter((line) => !line.startsWith('#'));
    return { head, expected: commands.flatMap((command) => stage.command(command)) };
  });
}

function tellDifference(name: string, before: string, after: string): void {
  const [was, is] = [before.split('\n'), after.split('\n')];
  const at = was.findIndex((line, i) => line !== is[i]);
  console.log(`${name}:${at + 1} expected: ${was[at] ?? ''}`);
  console.log(`${name}:${at + 1} happened: ${is[at] ?? ''}`);
}

const { values, positionals } = parseArgs({
  options: { update: { type: 'boolean', default: false } },
  allowPositionals: true,
});
let [passed, failed] = [0, 0];
for (const file of globSync('*.txt', { cwd: folder }).sort()) {
  const name = basename(file, '.txt');
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const path = join(folder, file);
  const before = readFileSync(path, 'utf8');
  const after = format(play(parse(before)));
  const broken = after.split('\n').find((line) => line.includes('!! '));
  if (broken !== undefined) console.log(`${name}: ${broken.trim()}`);
  if (values.update) writeFileSync(path, after);
  else if (before !== after) tellDifference(name, before, after);
  const good = broken === undefined && (values.update || before === after);
  if (good) passed += 1;
  else failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
