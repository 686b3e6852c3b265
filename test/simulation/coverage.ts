/** Which parts of the pure core no seed has reached, by V8's own block coverage. */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { runSeed } from './run.ts';

interface Unreached {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Runs so many seeds in this thread; answers 0: what is not reached is to be read, not to fail. */
export async function printCoverage(seeds: number): Promise<number> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  for (let seed = 1; seed <= seeds; seed += 1) runSeed(seed);
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  let blocks = 0;
  const unreached: Unreached[] = [];
  for (const { url, functions } of result) {
    if (!/\/src\/(controller-mode|node-mode)\//.test(url)) continue;
    const text = readFileSync(fileURLToPath(url), 'utf8');
    const file = url.slice(url.indexOf('/src/') + 1);
    const ranges = functions.flatMap((one) => one.ranges);
    blocks += ranges.length;
    for (const { startOffset, count } of ranges) {
      if (count === 0) unreached.push({ file, ...placeOf(text, startOffset) });
    }
  }
  unreached.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  for (const { file, line, text } of unreached)
    console.log(`never reached: ${file}:${line} ${text}`);
  console.log(
    `${blocks - unreached.length} of ${blocks} blocks of the core reached by ${seeds} seeds`,
  );
  return 0;
}

function placeOf(text: string, offset: number): { line: number; text: string } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const start = before.lastIndexOf('\n') + 1;
  const end = text.indexOf('\n', offset);
  return { line, text: text.slice(start, end).trim() };
}
