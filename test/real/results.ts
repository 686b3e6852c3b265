/** What the suite measured: `node test/real/results.ts` writes it into README and docs. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Lane, Story } from '../demo/story.ts';
import { svgTimeline } from '../demo/timeline-svg.ts';

/** The rows, in the order of the table. */
export const scenarios = [
  'power lost',
  'cut off from the API, storage alive',
  'the same, and the array does not revoke',
  'kubelet dead, containers go on',
  'its storage path is cut',
  'its storage hangs',
  'asleep, then awake again',
  'power cycle of seconds',
  'containerd dead',
  'driver crashes, or is rolled out',
  'csi-failover is rolled out',
  'power lost, and our leader is killed after each step',
] as const;

export type Scenario = (typeof scenarios)[number];
type Result = Readonly<Record<'stock' | 'ours', string | undefined>>;
type Results = Readonly<Partial<Record<Scenario, Result>>>;

const folder = fileURLToPath(new URL('../../.cache/real/results/', import.meta.url));

export function record(scenario: Scenario, who: 'stock' | 'ours', what: string): void {
  // A file for each: others may be at it.
  keep(fileOf(scenario, who), what);
  console.info(`${scenario}: ${who === 'ours' ? 'with csi-failover' : 'stock'}: ${what}`);
}

/** How a pod fared after the power was gone. */
export function recordLane(who: 'stock' | 'ours', lane: Lane): void {
  keep(`${who}.json`, JSON.stringify(lane));
}

/** What a person sees after a failover. */
export function recordSight(text: string): void {
  keep('sight.txt', text);
}

function keep(name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
}

function fileOf(scenario: Scenario, who: 'stock' | 'ours'): string {
  return `${scenario.replaceAll(/\W+/g, '-')}.${who}.txt`;
}

function recorded(): Results {
  const read = (name: string): string | undefined =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : undefined;
  return Object.fromEntries(
    scenarios.map((scenario) => [
      scenario,
      { stock: read(fileOf(scenario, 'stock')), ours: read(fileOf(scenario, 'ours')) },
    ]),
  );
}

export function table(results: Results): string {
  const rows = scenarios.map((scenario) => {
    const { stock = '—', ours = '—' } = results[scenario] ?? {};
    return `| ${scenario} | ${stock} | ${ours} |`;
  });
  return ['| a machine is | stock Kubernetes | with csi-failover |', '|---|---|---|', ...rows].join(
    '\n',
  );
}

/** Between two comments that name what is there. */
function replaced(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}, from make e2e-real -->`, `<!-- end of ${name} -->`];
  const [before = '', rest = ''] = text.split(begin, 2);
  const [, after] = rest.split(end, 2);
  if (after === undefined) throw new Error(`the README has no place for ${name}`);
  return `${before}${begin}\n\n${content}\n\n${end}${after}`;
}

/** How much is drawn of the time before the failure. */
const beforeMs = 5_000;

function sinceShortlyBefore(lane: Lane): Lane {
  const workloads = lane.workloads.map(({ name, spans }) => ({
    name,
    spans: spans
      .filter(({ toMs }) => toMs >= -beforeMs)
      .map((span) => ({ ...span, fromMs: Math.max(span.fromMs, -beforeMs) })),
  }));
  return { ...lane, workloads };
}

function drawing(): string {
  const lanes = ['ours', 'stock'].map((who) =>
    sinceShortlyBefore(JSON.parse(readFileSync(join(folder, `${who}.json`), 'utf8'))),
  );
  const ends = lanes.flatMap(({ workloads }) =>
    workloads.flatMap(({ spans }) => spans.map(({ toMs }) => toMs)),
  );
  const story: Story = {
    title: 'A machine loses its power',
    subtitle: 'Real kubelets and disks, default settings',
    fromMs: -beforeMs,
    toMs: Math.max(...ends),
    lanes,
    marks: [{ atMs: 0, label: 'power off' }],
  };
  return svgTimeline(story);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const readme = join(root, 'README.md');
  const sight = readFileSync(join(folder, 'sight.txt'), 'utf8').trimEnd();
  let text = readFileSync(readme, 'utf8');
  text = replaced(text, 'measured', table(recorded()));
  text = replaced(text, 'seen', `\`\`\`\n${sight}\n\`\`\``);
  writeFileSync(readme, text);
  writeFileSync(join(root, 'docs/power-off.svg'), drawing());
}
