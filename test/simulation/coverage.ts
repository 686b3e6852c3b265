/** Which parts of the pure core no seed has reached, by V8's own block coverage. */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { runSeed } from './run.ts';

export interface Block {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export interface Reach {
  /** How many blocks there are. */
  readonly blocks: number;
  readonly unreached: readonly Block[];
}

/** How many files are named shortly. */
const mostFiles = 6;

/** Of this thread only, and it costs a quarter of its speed until the thread ends. */
export class Coverage {
  readonly #session = new Session();

  static async start(): Promise<Coverage> {
    const coverage = new Coverage();
    const session = coverage.#session;
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
    return coverage;
  }

  async take(): Promise<Reach> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    this.#session.disconnect();
    let blocks = 0;
    const unreached: Block[] = [];
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
    return { blocks, unreached };
  }
}

/** Runs so many seeds in this thread; answers 0: what is not reached is to be read, not to fail. */
export async function printCoverage(seeds: number): Promise<number> {
  const coverage = await Coverage.start();
  for (let seed = 1; seed <= seeds; seed += 1) runSeed(seed);
  const reach = await coverage.take();
  for (const { file, line, text } of reach.unreached)
    console.log(`never reached: ${file}:${line} ${text}`);
  console.log(reachInWords(reach, seeds));
  return 0;
}

/** One line: how much is never reached, and where most of that stands. */
export function reachInWords({ blocks, unreached }: Reach, seeds: number): string {
  const perFile = new Map<string, number>();
  for (const { file } of unreached) perFile.set(file, (perFile.get(file) ?? 0) + 1);
  const most = [...perFile].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, mostFiles);
  const where = most.map(([file, count]) => `${file.replace('src/', '')} ${count}`).join(', ');
  return (
    `${unreached.length} of ${blocks} blocks of the core never reached by ${seeds} seeds` +
    (where === '' ? '' : `, most of them in ${where}`)
  );
}

function placeOf(text: string, offset: number): { line: number; text: string } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const start = before.lastIndexOf('\n') + 1;
  const end = text.indexOf('\n', offset);
  return { line, text: text.slice(start, end).trim() };
}
