import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Seeds that once found a bug: they must never find it again. */
export function trackRecord(): readonly number[] {
  const text = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8');
  return text
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
}
