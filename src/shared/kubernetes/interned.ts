const pool = new Map<string, string>();
const poolSize = 50_000;

/**
 * The one copy of a text that stands in thousands of objects (namespaces, node names, drivers):
 * JSON.parse makes a new string each time. The pool is emptied when it is full, which costs
 * memory only, never correctness.
 */
export function interned(text: string): string {
  const known = pool.get(text);
  if (known !== undefined) return known;
  if (pool.size >= poolSize) pool.clear();
  pool.set(text, text);
  return text;
}
