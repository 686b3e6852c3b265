/** What the suite measured, for the table of the README: `node test/real/results.ts` writes it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The rows, in the order of the table. */
export const scenarios = [
  'power lost',
  'cut off from the API, storage alive',
  'kubelet dead, containers go on',
  'asleep, then awake again',
  'the same, and the array does not revoke',
  'power cycle of seconds',
  'containerd dead',
  'driver crashes, or is rolled out',
  'csi-failover is rolled out',
] as const;

export type Scenario = (typeof scenarios)[number];
type Results = Partial<Record<Scenario, { stock?: string; ours?: string }>>;

const file = fileURLToPath(new URL('../../.cache/real/results.json', import.meta.url));
const marks = ['<!-- measured by make e2e-real -->', '<!-- end of what was measured -->'] as const;

export function record(scenario: Scenario, who: 'stock' | 'ours', what: string): void {
  const results = read();
  mkdirSync(dirname(file), { recursive: true });
  const row = { ...results[scenario], [who]: what };
  writeFileSync(file, JSON.stringify({ ...results, [scenario]: row }, undefined, 2));
  console.info(`${scenario}: ${who === 'ours' ? 'with csi-failover' : 'stock'}: ${what}`);
}

function read(): Results {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : {};
}

export function table(results: Results): string {
  const rows = scenarios.map((scenario) => {
    const { stock = 'as with csi-failover', ours = '' } = results[scenario] ?? {};
    return `| ${scenario} | ${stock} | ${ours} |`;
  });
  return ['| a machine is | stock Kubernetes | with csi-failover |', '|---|---|---|', ...rows].join(
    '\n',
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const readme = fileURLToPath(new URL('../../README.md', import.meta.url));
  const text = readFileSync(readme, 'utf8');
  const [begin, end] = marks;
  const [before = '', after = ''] = [text.split(begin)[0], text.split(end)[1]];
  writeFileSync(readme, `${before}${begin}\n${table(read())}\n${end}${after}`);
}
