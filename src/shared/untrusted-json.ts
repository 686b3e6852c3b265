/** JSON that anybody may have written, read without trusting it: never throws. */
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

export function list(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? (json as readonly Json[]) : [];
}

export function string(json: Json | undefined): string {
  return typeof json === 'string' ? json : '';
}

export function oneOf<T extends string>(
  json: Json | undefined,
  words: readonly T[],
): T | undefined {
  return words.find((word) => word === json);
}
