/**
 * `node test/demo/demo.ts`: a worker is killed, its labelled workloads write again from others,
 * the same workloads without the label stay stuck, the machine comes back and is released. Real
 * processes, real gRPC, a real network block array, the Kubernetes API over HTTP. Exit code 0
 * exactly if everything was so. Needs `dist/csi-failover.cjs` (npm run build).
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundlePath, startBed } from '../machine/bed.ts';
import { processesOf } from '../machine/process.ts';
import { workers } from './cast.ts';
import { expectationsOf } from './expectations.ts';
import { Progress } from './progress.ts';
import { actsOf, describeAll, expectationsText, lastSentence, verdictText } from './report.ts';
import { type DemoRecord, play, setTheStage } from './run.ts';
import { textTimeline } from './timeline.ts';
import { svgTimeline } from './timeline-svg.ts';

const outFolder = fileURLToPath(new URL('../../demo-out/', import.meta.url));

/** The test driver is in no table, so its fence has to be declared; all else is by default. */
const controllerFlags = ['--fence=unpublish'];

async function main(): Promise<number> {
  if (!existsSync(bundlePath)) {
    process.stderr.write('dist/csi-failover.cjs is missing: run `npm run build` first\n');
    return 2;
  }
  const progress = new Progress(process.stdout);
  progress.say('starting API server, control plane and array');
  const bed = await startBed({ bundle: bundlePath, machines: workers, controllerFlags });
  process.once('SIGINT', () => {
    progress.end();
    void bed[Symbol.asyncDispose]().then(() => process.exit(130));
  });
  let record: DemoRecord;
  try {
    await setTheStage(bed, progress);
    record = await play(bed, progress);
  } finally {
    progress.end();
    bed.saveLogs(`${outFolder}logs`);
    await bed[Symbol.asyncDispose]();
  }
  return report(record, bed.runId);
}

function report(record: DemoRecord, runId: string): number {
  const acts = actsOf(record);
  const left = processesOf(runId);
  const expectations = [
    ...expectationsOf(acts),
    {
      sentence: 'No process of this run is left',
      holds: left.length === 0,
      found: left.map(({ pid, command }) => `${pid} ${command}`).join('; '),
    },
  ];
  mkdirSync(outFolder, { recursive: true });
  writeFileSync(`${outFolder}timeline.svg`, svgTimeline(acts.story));
  const width = Math.max(80, Math.min(process.stdout.columns ?? 110, 130));
  const failed = expectations.some(({ holds }) => !holds);
  process.stdout.write(
    [
      '',
      textTimeline(acts.story, width),
      describeAll(acts),
      verdictText(acts),
      expectationsText(expectations),
      'The timeline as a drawing: demo-out/timeline.svg; logs of all processes: demo-out/logs',
      '',
      lastSentence(acts, expectations),
      '',
    ].join('\n'),
  );
  return failed ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  process.stderr.write(
    `the demo could not be played: ${Error.isError(error) ? error.message : String(error)}\n`,
  );
  process.stderr.write('logs of all processes: demo-out/logs\n');
  process.exitCode = 1;
}
