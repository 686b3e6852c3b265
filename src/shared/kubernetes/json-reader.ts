import type { Json, JsonObject } from '../effect.ts';
import { asObject } from '../untrusted-json.ts';

/**
 * Reading JSON that others wrote: each function takes whatever stands there and gives the wanted
 * type, empty where it is missing, null or of another type. None throws.
 */
export function objectIn(json: Json | undefined): JsonObject {
  return asObject(json) ?? {};
}

export function textIn(json: Json | undefined): string {
  return typeof json === 'string' ? json : '';
}

export function numberIn(json: Json | undefined): number {
  return typeof json === 'number' && Number.isFinite(json) ? json : 0;
}

export function listIn(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? (json as readonly Json[]) : [];
}

/** The strings of a list; entries of other types are left out. */
export function textsIn(json: Json | undefined): string[] {
  return listIn(json).filter((entry) => typeof entry === 'string');
}

/** The string values of an object, those only whose key is wanted. */
export function textMapIn(
  json: Json | undefined,
  wanted: (key: string) => boolean = () => true,
): Record<string, string> {
  const map: Record<string, string> = {};
  for (const [key, value] of Object.entries(objectIn(json))) {
    if (typeof value !== 'string' || !wanted(key)) continue;
    if (key !== '__proto__') map[key] = value;
    // Must become a plain entry, not change the object; slow, so only where it is needed.
    else
      Object.defineProperty(map, key, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return map;
}

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
