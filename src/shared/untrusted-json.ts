/**
 * JSON that anybody may have written, read without trusting it: each function takes whatever stands
 * there and gives the wanted type, empty or undefined where it is missing, null or of another type.
 * None throws.
 */
import type { Json, JsonObject } from './effect.ts';

export function parseObject(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    return asObject(JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
}

export function asObject(json: Json | undefined): JsonObject | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as JsonObject)
    : undefined;
}

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

export function oneOf<T extends string>(
  json: Json | undefined,
  words: readonly T[],
): T | undefined {
  return words.find((word) => word === json);
}
